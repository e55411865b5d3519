"""Cleaning: what leaves, why, and that it is counted."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recprune.data.dataset import Roles
from recprune.data.encode import encode
from recprune.data.keep import enough
from recprune.data.log import Log, Rejected, clean
from recprune.errors import DataError

ROLES = Roles(user="u", item="i", rating="r", time="t")
Row = tuple[str, str, float, int]


def log_of(rows: list[Row], roles: Roles = ROLES, **more: Any) -> Log:
    schema = {"u": pl.String, "i": pl.String, "r": pl.Float32, "t": pl.Int64}
    return Log(pl.LazyFrame(rows, schema=schema, orient="row"), roles, **more)


def rows_of(log: Log) -> list[Row]:
    return log.frame.select(pl.col("u", "i").cast(pl.String), "r", "t").collect().rows()


ROWS = st.lists(
    st.tuples(st.sampled_from("abcde"), st.sampled_from("vwxyz"), st.integers(1, 5).map(float), st.integers(0, 4)),
    min_size=1,
    max_size=60,
)


def test_a_missing_column_is_named_with_those_that_are_there() -> None:
    with pytest.raises(DataError, match="no column 'who'; there are: u, i, r, t") as caught:
        log_of([("a", "x", 1.0, 1)], Roles(user="who", item="i"))
    assert caught.value.column == "who"


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("last", [("a", "y", 2.0, 5), ("a", "x", 3.0, 9), ("b", "x", 4.0, 1)]),
        ("first", [("a", "x", 1.0, 7), ("a", "y", 2.0, 5), ("b", "x", 4.0, 1)]),
        ("sum", [("a", "y", 2.0, 5), ("a", "x", 9.0, 9), ("b", "x", 4.0, 1)]),
        ("all", [("a", "x", 1.0, 7), ("a", "y", 2.0, 5), ("a", "x", 3.0, 9), ("a", "x", 5.0, 8), ("b", "x", 4.0, 1)]),
    ],
)
def test_repeated_pairs_follow_the_policy(policy: str, expected: list[Row]) -> None:
    rows = [("a", "x", 1.0, 7), ("a", "y", 2.0, 5), ("a", "x", 3.0, 9), ("a", "x", 5.0, 8), ("b", "x", 4.0, 1)]
    cleaned = clean(log_of(rows), duplicates=policy)
    assert rows_of(cleaned) == expected
    assert len(cleaned.rejected) == len(rows) - len(expected)


def test_of_equal_times_the_lower_row_is_the_last_and_the_upper_one_the_first() -> None:
    rows = [("a", "x", 1.0, 7), ("a", "x", 2.0, 7), ("a", "x", 3.0, 7)]
    assert rows_of(clean(log_of(rows), duplicates="last")) == [rows[2]]
    assert rows_of(clean(log_of(rows), duplicates="first")) == [rows[0]]


def test_without_a_time_the_lower_row_is_the_last() -> None:
    rows = [("a", "x", 1.0, 9), ("a", "x", 2.0, 7)]
    assert rows_of_untimed(clean(log_of(rows, Roles(user="u", item="i", rating="r")))) == [("a", "x", 2.0)]


def rows_of_untimed(log: Log) -> list[tuple[str, str, float]]:
    return log.frame.select(pl.col("u", "i").cast(pl.String), "r").collect().rows()


def test_repeats_that_are_meant_stay() -> None:
    rows = [("a", "x", 1.0, 1), ("a", "x", 1.0, 2)]
    assert len(clean(log_of(rows, repeats=True))) == 2
    assert len(clean(log_of(rows))) == 1
    assert len(clean(log_of(rows, repeats=True), duplicates="last")) == 1


def test_rows_with_a_label_are_moments_and_stay() -> None:
    rows = [("a", "x", 1.0, 1), ("a", "x", 0.0, 2)]
    assert len(clean(log_of(rows, Roles(user="u", item="i", label="r")))) == 2


def test_rows_that_are_not_positive_leave_and_are_counted() -> None:
    rows = [("a", "x", 3.0, 1), ("a", "y", 4.0, 2), ("b", "x", 5.0, 3)]
    cleaned = clean(log_of(rows, Roles(user="u", item="i", rating="r", positive="rating >= 4")))
    assert [(u, i) for u, i, _ in rows_of_untimed(cleaned)] == [("a", "y"), ("b", "x")]
    assert cleaned.rejected.counts == {"not positive": 1}


def test_with_a_label_the_rule_makes_the_label_and_every_row_stays() -> None:
    frame = pl.LazyFrame({"work": ["x", "y", "x"], "income": [">50K", "<=50K", ">50K."]})
    cleaned = clean(Log(frame, Roles(label="income", categorical=("work",), positive="income in >50K, >50K.")))
    assert cleaned.frame.collect()["income"].to_list() == [1.0, 0.0, 1.0]
    assert cleaned.roles.positive is None


@pytest.mark.parametrize("rule", ["rating", "rating => four", "stars >= 4", "rating >= much", ">= 4"])
def test_a_rule_that_says_nothing_is_refused(rule: str) -> None:
    with pytest.raises(DataError, match="positive"):
        clean(log_of([("a", "x", 4.0, 1)], Roles(user="u", item="i", rating="r", positive=rule)))


def test_a_window_of_time_takes_its_begin_and_not_its_end() -> None:
    rows = [("a", "x", 1.0, 86_399), ("a", "y", 1.0, 86_400), ("b", "x", 1.0, 172_800)]
    assert [t for *_, t in rows_of(clean(log_of(rows), since="1970-01-02", until="1970-01-03"))] == [86_400]
    assert [t for *_, t in rows_of(clean(log_of(rows), since=86_400))] == [86_400, 172_800]
    assert clean(log_of(rows), until=86_400).rejected.counts == {"outside the time window": 2}


@pytest.mark.parametrize("when", ["yesterday", "2013-13-01"])
def test_a_date_that_is_none_is_refused(when: str) -> None:
    with pytest.raises(DataError, match="expected a number or a date"):
        clean(log_of([("a", "x", 1.0, 1)]), since=when)


def test_nothing_left_is_an_error_that_says_what_left() -> None:
    with pytest.raises(DataError, match="rare user or item: 1"):
        clean(log_of([("a", "x", 1.0, 1)]), k_core=2)


def test_an_unknown_policy_is_refused_with_those_there_are() -> None:
    with pytest.raises(DataError, match="last, first, all, sum"):
        clean(log_of([("a", "x", 1.0, 1)]), duplicates="newest")


def test_sum_needs_something_to_add() -> None:
    with pytest.raises(DataError, match="rating"):
        clean(log_of([("a", "x", 1.0, 1)], Roles(user="u", item="i")), duplicates="sum")


@given(ROWS, st.integers(0, 4), st.integers(0, 4))
@settings(deadline=None, max_examples=60)
def test_the_core_is_that_of_a_slow_obvious_loop(rows: list[Row], least_user: int, least_item: int) -> None:
    left = list(rows)
    while True:
        users, items = Counter(u for u, *_ in left), Counter(i for _, i, *_ in left)
        stay = [row for row in left if users[row[0]] >= least_user and items[row[1]] >= least_item]
        if stay == left:
            break
        left = stay
    users_codes = np.array([ord(u) for u, *_ in rows])
    items_codes = np.array([ord(i) for _, i, *_ in rows])
    keep = enough([users_codes, items_codes], [least_user, least_item])
    assert [row for row, stays in zip(rows, keep, strict=True) if stays] == left


@given(ROWS, st.sampled_from(["last", "first", "sum"]))
@settings(deadline=None, max_examples=60)
def test_repeated_pairs_leave_as_in_a_slow_obvious_loop(rows: list[Row], policy: str) -> None:
    chosen: dict[tuple[str, str], int] = {}
    total: Counter[tuple[str, str]] = Counter()
    for place, (user, item, rating, time) in enumerate(rows):
        pair = (user, item)
        total[pair] += rating  # type: ignore[assignment]
        best = chosen.get(pair)
        if best is None or (time < rows[best][3] if policy == "first" else time >= rows[best][3]):
            chosen[pair] = place
    expected = [rows[place] for place in sorted(chosen.values())]
    if policy == "sum":
        expected = [(u, i, float(total[u, i]), t) for u, i, _, t in expected]
    assert rows_of(clean(log_of(rows), duplicates=policy)) == expected


def test_counts_of_two_rejections_add_up() -> None:
    both = Rejected({"empty line": 2}) + Rejected({"empty line": 1, "not UTF-8": 3})
    assert both.counts == {"empty line": 3, "not UTF-8": 3}
    assert len(both) == 6


def test_a_label_of_numbers_is_compared_as_numbers() -> None:
    frame = pl.LazyFrame({"shop": ["x"] * 15, "cnt": [str(n) for n in range(15)]})
    cleaned = clean(Log(frame, Roles(label="cnt", categorical=("shop",), positive="cnt > 2")))
    assert cleaned.frame.collect()["cnt"].to_list() == [0.0] * 3 + [1.0] * 12


def test_a_rule_may_look_at_a_column_without_a_role() -> None:
    rows = [("a", "x", 3.0, 1), ("a", "y", 4.0, 2), ("b", "x", 10.0, 3)]
    cleaned = clean(log_of(rows, Roles(user="u", item="i", positive="r >= 4")))
    assert cleaned.frame.select("u", "i").cast(pl.String).collect().rows() == [("a", "y"), ("b", "x")]
    assert set(encode(cleaned).columns) == {"user", "item"}


@pytest.mark.parametrize("window", [{"since": "1970-01-02"}, {"until": "2030-01-01"}])
def test_a_date_says_nothing_of_milliseconds(window: dict[str, str]) -> None:
    rows = [("a", "x", 1.0, 1_577_404_800_000), ("a", "y", 1.0, 1_577_491_200_000), ("b", "x", 1.0, 0)]
    with pytest.raises(DataError, match="milliseconds"):
        clean(log_of(rows), **window)
    assert len(clean(log_of(rows), since="1577404800000")) == 2
