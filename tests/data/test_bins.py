"""Bins: edges learned on train alone, kept in the ids."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recprune.data.bins import DISTINCT, MISSING, SQUARED_LOG, Bins, binned, vocabulary_of
from recprune.data.dataset import Dataset, Roles, Split
from recprune.data.encode import encode, missing
from recprune.data.log import Log
from recprune.data.store import load_split, save_split
from recprune.data.vocabulary import Vocabulary
from recprune.errors import DataError
from recprune.testing import tiny_mixed

AGES = Bins("age", ["(-inf,18)", "[18,25)", "[25,inf)", MISSING])
NUMBERS = st.lists(st.floats(-1e6, 1e6, width=32) | st.integers(0, 5).map(float), min_size=1, max_size=60)


def of_numbers(train, valid=(), test=()) -> Split:
    def part(values):
        columns = {"n": np.array(values, dtype=np.float32), "label": np.ones(len(values), dtype=np.float32)}
        return Dataset(columns, {}, Roles(label="label", numeric=("n",)))

    return Split(part(train), part(valid), part(test))


def ids(train, how):
    return binned(of_numbers(train), {"n": how}).vocabularies["n"].ids


def test_a_bin_answers_for_numbers_texts_ids_and_what_is_missing() -> None:
    assert AGES.encode([17, "18", 24.99, 25, " 1e3 ", "[18,25)", None, math.nan, ""]).tolist() == [
        *(1, 2, 2, 3, 3),
        *(2, 4, 4, 4),
    ]


@pytest.mark.parametrize("other", ["1_000", "１８", "old", "[18, 25)", "inf", "nan"])
def test_text_that_is_no_number_is_unknown(other: str) -> None:
    assert AGES.encode([other]).tolist() == [0]


def test_a_bin_that_left_is_unknown_and_the_others_keep_their_edges() -> None:
    smaller = AGES.restrict([0, 1, 3])
    assert isinstance(smaller, Bins)
    assert smaller.encode([17, 18, 24.99, 25, None]).tolist() == [1, 0, 0, 2, 0]
    assert AGES.restrict([4]).encode([17, None]).tolist() == [0, 1]
    assert AGES.restrict([]).encode([17, None]).tolist() == [0, 0]


def test_bins_of_one_size_hold_about_as_many_rows_each() -> None:
    assert ids(range(100), 4) == ("(-inf,25)", "[25,50)", "[50,75)", "[75,inf)")


def test_equal_values_are_never_parted_and_what_many_rows_have_stands_alone() -> None:
    assert ids([0] * 90 + list(range(1, 11)), 10) == ("(-inf,1)", "[1,inf)")
    assert ids([5.5, 5.5], 3) == ("(-inf,inf)",)
    assert ids([1, 2, 2, 2, 2, 2, 2, 3], 8) == ("(-inf,2)", "[2,3)", "[3,inf)")


def test_squared_logs_have_edges_for_counts_and_no_empty_bin() -> None:
    counts = [-1, 0, 1, 2, 3, 4, 5, 100]
    got = binned(of_numbers(counts), {"n": SQUARED_LOG}).train["n"]
    usual = [-1, 0, 1, 2, *(2 + math.floor(math.log(count) ** 2) for count in counts[4:])]
    assert got.tolist() == [sorted(set(usual)).index(value) + 1 for value in usual]
    assert ids([3, 4], SQUARED_LOG) == ("(-inf,inf)",)


def test_each_distinct_number_has_a_bin_and_one_that_train_lacks_goes_to_the_one_below() -> None:
    split = binned(of_numbers([7688, 0, 0, 7298, 0.5, 7688], [-1, 0.4, 7297, 7298, 1e5]), {"n": DISTINCT})
    assert split.vocabularies["n"].ids == ("(-inf,0.5)", "[0.5,7298)", "[7298,7688)", "[7688,inf)")
    assert split.train["n"].tolist() == [4, 1, 1, 3, 2, 4]
    assert split.valid["n"].tolist() == [1, 1, 2, 3, 4]


@pytest.mark.parametrize("how", [2, SQUARED_LOG, DISTINCT])
def test_infinite_numbers_make_no_edges_and_go_to_the_ends(how: int | str) -> None:
    split = binned(of_numbers([math.inf, 0, 5, 5, -math.inf, math.inf, math.inf]), {"n": how})
    assert split.vocabularies["n"].ids == ids([0, 5, 5], how)
    low, high = 1, len(split.vocabularies["n"].ids)
    assert split.train["n"].tolist() == [high, low, high, high, low, high, high]


@settings(deadline=None, max_examples=60)
@given(NUMBERS, st.integers(2, 9) | st.sampled_from([SQUARED_LOG, DISTINCT]))
def test_every_bin_has_a_row_of_train_and_every_number_a_bin(values: list[float], how: int | str) -> None:
    split = binned(of_numbers(values, [-3e38, 3e38, math.nan], [math.inf, -math.inf]), {"n": how})
    codes = split.train["n"]
    known = split.vocabularies["n"]
    assert set(codes.tolist()) == set(range(1, len(known)))
    order = np.argsort(np.array(values, dtype=np.float32), kind="stable")
    assert (np.diff(codes[order]) >= 0).all()
    assert isinstance(how, str) or len(known.ids) <= how
    assert how != DISTINCT or len(known.ids) == len(np.unique(np.array(values, dtype=np.float32)))
    assert split.valid["n"].tolist() == [1, len(known.ids), 0]
    assert split.test["n"].tolist() == [len(known.ids), 1]
    assert known.encode(values).tolist() == codes.tolist()


def test_edges_are_learned_on_train_alone() -> None:
    one, other = (binned(of_numbers(range(8), rest), {"n": 4}) for rest in ([], [1e9] * 50))
    assert one.vocabularies["n"] == other.vocabularies["n"]


def test_a_missing_number_has_a_row_where_train_lacks_some() -> None:
    split = binned(of_numbers([1, 2, math.nan], [math.nan]), {"n": 2})
    assert split.vocabularies["n"].ids == ("(-inf,2)", "[2,inf)", MISSING)
    assert split.train["n"].tolist() == [1, 2, 3]
    assert split.valid["n"].tolist() == [3]
    assert missing(split.train) == {"n": 1}


def test_a_binned_field_is_a_categorical_one_and_the_others_stay_as_they_are() -> None:
    before = tiny_mixed()
    after = binned(before, {"age": 5})
    assert after.train.fields == ("user", "item", "city", "noise", "age")
    assert after.train.roles.numeric == ("price",)
    assert after.train["age"].dtype == np.int32
    assert all((after.test[name] == before.test[name]).all() for name in before.test.columns if name != "age")


@pytest.mark.parametrize(
    ("bins", "words"),
    [
        ({"city": 4}, "age, price"),
        ({"age": 1}, "2 or more"),
        ({"age": "even"}, "squared_log, distinct"),
        ({"age": True}, "True"),
    ],
)
def test_what_cannot_be_binned_is_refused(bins: dict[str, int | str], words: str) -> None:
    with pytest.raises(DataError, match=words):
        binned(tiny_mixed(), bins)


def test_a_field_without_a_number_in_train_cannot_be_binned() -> None:
    with pytest.raises(DataError, match="nothing to bin"):
        binned(of_numbers([math.nan, math.nan]), {"n": 2})


def test_the_edges_come_back_with_the_vocabularies(tmp_path) -> None:
    split = binned(tiny_mixed(missing=0.2), {"age": 5})
    save_split(split, tmp_path / "prepared")
    again = load_split(tmp_path / "prepared")
    ages = again.vocabularies["age"]
    assert isinstance(ages, Bins)
    assert ages == split.vocabularies["age"]
    assert missing(again.train) == missing(split.train) != {}
    assert isinstance(again.vocabularies["city"], Vocabulary)
    assert not isinstance(again.vocabularies["city"], Bins)


@pytest.mark.parametrize("others", [["[1,2)", "other"], [], ["[2,1)"], ["[1, 2)"], ["[1,inf"]])
def test_ids_that_are_not_all_intervals_make_a_plain_vocabulary(others: list[str]) -> None:
    assert type(vocabulary_of("n", others)) is Vocabulary


def test_a_log_is_encoded_by_the_edges_of_a_given_vocabulary() -> None:
    frame = pl.LazyFrame({"u": ["a", "b", "c"], "age": [17.0, 40.0, None], "h": [1.0, 2.0, 3.0]})
    log = Log(frame, Roles(user="u", numeric=("age", "h")))
    dataset = encode(log, {"user": Vocabulary("user", ["a"]), "age": AGES})
    assert dataset["age"].tolist() == [1, 3, 4]
    assert dataset.roles == replace(log.roles, numeric=("h",), categorical=("age",))
    assert dataset.vocabularies["age"] is AGES
