"""Splits: who goes where, that nothing is shared, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recprune.data.dataset import Dataset, Roles, Split
from recprune.data.encode import decode, encode
from recprune.data.log import Log, clean
from recprune.data.split import (
    only_outside_train,
    split_by_time,
    split_by_user_time,
    split_given,
    split_last,
    split_random,
    with_means,
)
from recprune.errors import DataError

ROLES = Roles(user="u", item="i", time="t")
Row = tuple[str, str, int]


def log_of(rows: list[Row], **more: bool) -> Log:
    schema = {"u": pl.String, "i": pl.String, "t": pl.Int64}
    return Log(pl.LazyFrame(rows, schema=schema, orient="row"), ROLES, **more)  # type: ignore[arg-type]


def rows_of(part: Dataset) -> list[Row]:
    columns = (decode(part, "user"), decode(part, "item"), part["time"].tolist())
    return list(zip(*columns, strict=True))  # type: ignore[arg-type]


LOGS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from("uvwxyz"), st.integers(0, 9)),
    min_size=12,
    max_size=24,
    unique_by=lambda row: row[:2],
)
WAYS: dict[str, Callable[[Dataset], Split]] = {
    "user time": lambda dataset: split_by_user_time(dataset, 0.3, 0.2),
    "last": lambda dataset: split_last(dataset, 1),
    "random": lambda dataset: split_random(dataset, 0.2, 0.2, seed=3),
}


@pytest.mark.parametrize("way", WAYS)
@given(rows=LOGS)
@settings(deadline=None, max_examples=40)
def test_the_parts_share_no_row_and_lose_none(way: str, rows: list[Row]) -> None:
    split = WAYS[way](encode(log_of(rows)))
    together = [row for part in (split.train, split.valid, split.test) for row in rows_of(part)]
    assert sorted(together) == sorted(rows)
    assert len(set(together)) == len(rows)


@given(rows=LOGS, valid=st.sampled_from([0.0, 0.1, 0.25]), test=st.sampled_from([0.0, 0.2, 0.4]))
@settings(deadline=None, max_examples=60)
def test_the_last_share_of_each_user_is_that_of_a_slow_obvious_loop(rows: list[Row], valid: float, test: float) -> None:
    split = split_by_user_time(encode(log_of(rows)), test, valid)
    expected: list[list[Row]] = [[], [], []]
    for user in {u for u, *_ in rows}:
        mine = sorted((row for row in rows if row[0] == user), key=lambda row: (row[2], row[1]))
        n_test = min(math.ceil(round(test * len(mine), 9)), len(mine) - 1)
        n_valid = min(math.ceil(round(valid * len(mine), 9)), len(mine) - 1 - n_test)
        cut = len(mine) - n_test
        for part, some in zip(expected, (mine[: cut - n_valid], mine[cut - n_valid : cut], mine[cut:]), strict=True):
            part += some
    for part, some in zip((split.train, split.valid, split.test), expected, strict=True):
        assert sorted(rows_of(part)) == sorted(some)


@given(times=st.lists(st.integers(0, 6), min_size=6, max_size=30))
@settings(deadline=None, max_examples=60)
def test_a_moment_is_never_parted_and_nothing_in_train_is_later_than_test(times: list[int]) -> None:
    rows = [("a", f"i{n}", time) for n, time in enumerate(times)]
    ordered = sorted(times)
    first = ordered[math.floor(0.7 * len(times) + 1e-9)]
    if first == ordered[0]:
        with pytest.raises(DataError, match="train"):
            split_by_time(encode(log_of(rows)), 0.1, 0.2)
        return
    split = split_by_time(encode(log_of(rows)), 0.1, 0.2)
    last = ordered[math.floor(0.8 * len(times) + 1e-9)]
    assert sorted(split.train["time"].tolist()) == [time for time in ordered if time < first]
    assert sorted(split.valid["time"].tolist()) == [time for time in ordered if first <= time < last]
    assert sorted(split.test["time"].tolist()) == [time for time in ordered if time >= last]


def test_a_user_of_one_row_stays_in_train_and_is_never_without_a_history() -> None:
    rows = [("a", "x", 1), ("b", "x", 1), ("b", "y", 2), ("c", "x", 1), ("c", "y", 2), ("c", "z", 3)]
    split = split_last(encode(log_of(rows)))
    assert rows_of(split.train) == [("a", "x", 1), ("b", "x", 1), ("c", "x", 1)]
    assert rows_of(split.valid) == [("c", "y", 2)]
    assert rows_of(split.test) == [("b", "y", 2), ("c", "z", 3)]
    assert set(split.train["user"]) == {1, 2, 3}


def test_rows_of_equal_time_keep_their_order_when_the_last_is_taken() -> None:
    rows = [("a", "z", 1), ("a", "x", 1), ("a", "y", 1)]
    assert rows_of(split_last(encode(log_of(rows))).test) == [("a", "y", 1)]


def test_the_same_seed_gives_the_same_random_split_and_another_seed_another() -> None:
    dataset = encode(log_of([("a", f"i{n}", n) for n in range(50)]))
    first, again, other = (split_random(dataset, 0.1, 0.2, seed=seed) for seed in (1, 1, 2))
    assert rows_of(first.test) == rows_of(again.test)
    assert rows_of(first.test) != rows_of(other.test)
    assert (len(first.train), len(first.valid), len(first.test)) == (35, 5, 10)


def test_given_parts_share_one_encoding() -> None:
    split = split_given(log_of([("a", "x", 1), ("b", "y", 1)]), log_of([("a", "y", 2), ("c", "z", 2)]))
    assert rows_of(split.test) == [("a", "y", 2), ("c", "z", 2)]
    assert split.test.vocabularies == split.train.vocabularies
    assert len(split.valid) == 0
    assert split.train.n_items == 4


def test_users_and_items_that_only_the_test_has_keep_their_codes_and_are_counted() -> None:
    split = split_given(log_of([("a", "x", 1)]), log_of([("a", "y", 2), ("c", "z", 2)]))
    assert only_outside_train(split) == {"user": 1, "item": 2}
    assert split.test["item"].min() > 0


def test_a_pair_in_train_and_test_is_refused_with_how_many_there_are() -> None:
    train, test = log_of([("a", "x", 1), ("b", "y", 1)]), log_of([("a", "x", 2), ("b", "y", 3), ("a", "y", 3)])
    with pytest.raises(DataError, match="2 pairs") as caught:
        split_given(train, test)
    assert caught.value.count == 2
    assert len(split_given(train, test, repeats=True).test) == 3


def test_a_pair_in_validation_and_test_is_refused() -> None:
    with pytest.raises(DataError, match="1 pairs"):
        split_given(log_of([("a", "x", 1)]), log_of([("a", "y", 2)]), log_of([("a", "y", 3)]))


def test_a_repeated_pair_may_stand_on_one_side() -> None:
    rows = [("a", "x", 1), ("a", "x", 2), ("a", "y", 3), ("a", "z", 4)]
    assert len(split_last(encode(log_of(rows))).train) == 2


def test_sequences_that_mean_their_repeats_are_parted() -> None:
    log = clean(log_of([("a", "x", 1), ("a", "y", 2), ("a", "x", 3)], repeats=True))
    assert rows_of(split_last(encode(log), repeats=log.repeats).test) == [("a", "x", 3)]


def test_one_class_only_is_refused() -> None:
    frame = pl.LazyFrame({"y": [1.0] * 10, "c": list("abcdefghij")})
    with pytest.raises(DataError, match="all 7 labels of train are 1") as caught:
        split_random(encode(Log(frame, Roles(label="y", categorical=("c",)))))
    assert caught.value.column == "label"


@pytest.mark.parametrize(("valid", "test"), [(0.5, 0.5), (-0.1, 0.2), (0.1, 1.0), (float("nan"), 0.1)])
def test_shares_that_leave_nothing_to_train_are_refused(valid: float, test: float) -> None:
    with pytest.raises(DataError, match="shares"):
        split_random(encode(log_of([("a", "x", 1), ("a", "y", 2)])), valid, test)


def test_a_split_by_time_without_times_is_refused_with_the_way_out() -> None:
    log = Log(pl.LazyFrame({"u": ["a"], "i": ["x"]}), Roles(user="u", item="i"))
    for way in (split_by_time, split_by_user_time, split_last):
        with pytest.raises(DataError, match="random"):
            way(encode(log))


def test_missing_numbers_stay_missing_or_become_the_mean_over_train_alone() -> None:
    frame = pl.LazyFrame({"u": ["a"] * 4, "i": list("wxyz"), "t": [1, 2, 3, 4], "n": [1.0, None, 3.0, 100.0]})
    split = split_last(encode(Log(frame, Roles(user="u", item="i", time="t", numeric=("n",)))))
    assert np.isnan(split.train["n"]).tolist() == [False, True]
    split = with_means(split)
    assert split.train["n"].tolist() == [1.0, 1.0]
    assert split.test["n"].tolist() == [100.0]


def test_a_numeric_field_without_any_value_in_train_becomes_0() -> None:
    frame = pl.LazyFrame({"u": ["a"] * 3, "i": list("xyz"), "t": [1, 2, 3], "n": [None, None, 5.0]})
    split = with_means(split_last(encode(Log(frame, Roles(user="u", item="i", time="t", numeric=("n",))))))
    assert np.concatenate([split.train["n"], split.valid["n"], split.test["n"]]).tolist() == [0.0, 0.0, 5.0]
