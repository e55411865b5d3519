"""Encoding: ids to codes and back, and what is missing."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recprune.data.dataset import Roles
from recprune.data.encode import decode, encode, joint_vocabularies, missing
from recprune.data.log import Log, clean
from recprune.data.vocabulary import Vocabulary
from recprune.errors import DataError

IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)


def pairs(users: list[str], items: list[str]) -> Log:
    return Log(pl.LazyFrame({"u": users, "i": items}), Roles(user="u", item="i"))


@given(st.lists(st.tuples(IDS, IDS), min_size=1, max_size=30))
@settings(deadline=None, max_examples=60)
def test_encode_then_decode_gives_the_ids_back(rows: list[tuple[str, str]]) -> None:
    users, items = [u for u, _ in rows], [i for _, i in rows]
    dataset = encode(pairs(users, items))
    assert decode(dataset, "user") == users
    assert decode(dataset, "item") == items


def test_ids_that_look_alike_stay_apart_to_the_byte() -> None:
    users = ["1000", "1_000", "１０００", "01000", " 1000", "1000 ", "1e3", "1000.0", "a\u0301", "\u00e1"]
    dataset = encode(clean(pairs(users, ["x"] * len(users))))
    assert decode(dataset, "user") == users
    assert dataset.n_users == len(users) + 1


@given(st.permutations(["10", "9", "b", "a", "aa", "é", "１"]))
@settings(deadline=None, max_examples=20)
def test_codes_do_not_depend_on_the_order_of_the_rows(users: list[str]) -> None:
    vocabulary = encode(pairs(users, users)).vocabularies["user"]
    assert vocabulary.ids == ("9", "a", "b", "10", "aa", "é", "１")


def test_an_id_that_a_given_vocabulary_does_not_know_gets_code_0() -> None:
    known = {"user": Vocabulary("user", ["a"]), "item": Vocabulary("item", ["x", "y"])}
    dataset = encode(pairs(["a", "new"], ["y", "x"]), known)
    assert dataset["user"].tolist() == [1, 0]
    assert dataset["item"].tolist() == [2, 1]
    assert dataset.vocabularies["user"] == known["user"]


def test_joint_vocabularies_hold_the_ids_of_every_log() -> None:
    joint = joint_vocabularies(pairs(["b"], ["y"]), pairs(["a"], ["y"]))
    assert joint["user"].ids == ("a", "b")
    assert joint["item"].ids == ("y",)


def test_missing_values_are_code_0_and_nan_and_counted() -> None:
    frame = pl.LazyFrame({"u": ["a", "b"], "i": ["x", "y"], "c": [None, "red"], "n": [1.5, None]})
    dataset = encode(Log(frame, Roles(user="u", item="i", categorical=("c",), numeric=("n",))))
    assert dataset["c"].tolist() == [0, 1]
    assert dataset["n"].dtype == np.float32
    assert np.isnan(dataset["n"][1])
    assert missing(dataset) == {"c": 1, "n": 1}


def test_multi_valued_fields_are_padded_with_0_and_hold_each_value_once() -> None:
    frame = pl.LazyFrame({"u": ["a", "b", "c", "d"], "g": [["y", "x"], [], None, ["z", "z", "x"]]})
    dataset = encode(Log(frame, Roles(user="u", multi=("g",))))
    assert dataset["g"].tolist() == [[1, 2], [0, 0], [0, 0], [1, 3]]
    assert dataset.vocabularies["g"].ids == ("x", "y", "z")


def test_labels_of_minus_one_become_0() -> None:
    frame = pl.LazyFrame({"y": [1.0, -1.0], "c": ["p", "q"]})
    assert encode(Log(frame, Roles(label="y", categorical=("c",))))["label"].tolist() == [1.0, 0.0]


def test_labels_that_are_neither_0_nor_1_are_refused() -> None:
    with pytest.raises(DataError, match="expected 0 or 1"):
        encode(Log(pl.LazyFrame({"y": [1.0, 5.0], "c": ["p", "q"]}), Roles(label="y", categorical=("c",))))


@pytest.mark.parametrize("wild", [float("nan"), float("inf")])
def test_ratings_that_are_not_finite_are_refused(wild: float) -> None:
    frame = pl.LazyFrame({"u": ["a"], "i": ["x"], "r": [wild]})
    with pytest.raises(DataError, match="not finite"):
        encode(Log(frame, Roles(user="u", item="i", rating="r")))


def test_a_log_without_rows_cannot_be_encoded() -> None:
    with pytest.raises(DataError, match="no row"):
        encode(Log(pl.LazyFrame(schema={"u": pl.String, "i": pl.String}), Roles(user="u", item="i")))


def test_a_field_that_is_called_like_a_role_is_refused() -> None:
    frame = pl.LazyFrame({"u": ["a"], "i": ["x"], "time": ["noon"]})
    with pytest.raises(DataError, match="rename"):
        encode(Log(frame, Roles(user="u", item="i", categorical=("time",))))
