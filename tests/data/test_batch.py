"""What a database gives becomes what a file has: text, numbers, times and lists."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import polars as pl
import pytest

from recprune.data.batch import frame_of_arrow, piece_of_batch, readable
from recprune.errors import DataError


def test_bytes_that_are_no_utf8_are_told_by_their_row() -> None:
    batch = pl.DataFrame({"user": [b"\xc3\xa9", b"\xff", None], "tags": [[b"p", None], [], [b"\xfe", b"q"]]})
    text, broken = readable(batch)
    assert broken.to_list() == [False, True, True]
    assert text["user"].to_list() == ["é", "\\xff", None]
    assert text["tags"].to_list() == [["p", None], [], ["\\xfe", "q"]]
    piece = piece_of_batch(text, broken, before=10)
    assert piece.frame.rows() == [("é", ["p", None])]
    assert piece.lines.tolist() == [11]
    assert [(line, reason) for line, reason, _ in piece.bad] == [(12, "not UTF-8"), (13, "not UTF-8")]


def test_decimals_and_enumerations_are_text_as_they_are_written() -> None:
    table = {
        "price": [Decimal("3.10"), None],
        "mood": pl.Series(["b", "a"], dtype=pl.Enum(["a", "b"])),
        "no": [None, None],
    }
    text, broken = readable(pl.DataFrame(table))
    assert text.rows() == [("3.10", "b", None), (None, "a", None)]
    assert text.dtypes == [pl.String, pl.String, pl.String]
    assert not broken.any()


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_a_time_that_nobody_means_is_none(unit: str) -> None:
    far = pl.Series("at", [0, 2**63 - 1, -(2**63), 10**15 if unit == "ms" else 0]).cast(pl.Datetime(unit))
    kept = readable(far.to_frame())[0]["at"]
    lasts = unit == "ns"  # all that fits into nanoseconds lies between 1677 and 2262
    assert kept.is_null().to_list() == [False, not lasts, not lasts, unit == "ms"]


def test_the_first_and_the_last_day_that_is_meant_stay() -> None:
    days = pl.DataFrame(
        {"day": [date(1, 1, 1), date(9999, 12, 31)], "at": [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)]}
    )
    assert readable(days)[0].equals(days)
    beyond = pl.Series("day", [2_932_897, -719_163, 2**31 - 1], dtype=pl.Int32).cast(pl.Date)
    assert readable(beyond.to_frame())[0]["day"].null_count() == 3


def test_arrow_gives_columns_by_name_and_refuses_what_means_nothing() -> None:
    arrow = pytest.importorskip("pyarrow")
    key = arrow.array([bytes(range(16)), None], arrow.binary(16))
    batch = arrow.record_batch({"id": key, "text": ["é", None], "many": [["é"], None], "thing": [{"a": 1}, None]})
    frame = readable(frame_of_arrow(batch, ["text", "id", "many"], "db"))[0]
    assert frame.rows() == [("é", "00010203-0405-0607-0809-0a0b0c0d0e0f", ["é"]), (None, None, None)]
    with pytest.raises(DataError, match=r"db: the column 'thing' is of the type struct.*CAST") as caught:
        frame_of_arrow(batch, ["thing"], "db")
    assert caught.value.column == "thing"
