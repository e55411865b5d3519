"""Parquet: lazy, with rows that cannot be used counted and set aside."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from recprune.data.dataset import Roles
from recprune.data.formats.parquet import read
from recprune.errors import DataError


def test_whole_numbers_become_ids_as_they_are_written(tmp_path: Path) -> None:
    pl.DataFrame({"user": [7, 1000], "item": ["1_000", " x"]}).write_parquet(tmp_path / "log.parquet")
    log = read(tmp_path / "log.parquet")
    assert log.frame.collect().rows() == [("7", "1_000"), ("1000", " x")]


def test_the_files_of_a_folder_are_one_log_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name, user in (("b", "2"), ("a", "1")):
        pl.DataFrame({"user": [user], "item": ["x"]}).write_parquet(tmp_path / f"{name}.parquet")
    assert read(tmp_path).frame.collect()["user"].to_list() == ["1", "2"]


def test_rows_that_cannot_be_used_stand_aside_with_their_number_and_reason(tmp_path: Path) -> None:
    table = pl.DataFrame(
        {
            "user": ["a", None, "c", "d", ""],
            "item": ["x", "x", "y", "z", "x"],
            "rating": [5.0, 4.0, float("nan"), float("inf"), 1.0],
        }
    )
    table.write_parquet(tmp_path / "log.parquet")
    log = read(tmp_path / "log.parquet")
    assert log.rejected.counts == {"rating is not finite": 2, "user is empty": 2}
    aside = log.rejected.rows.collect()
    assert aside.select("line", "reason").rows() == [
        (2, "user is empty"),
        (3, "rating is not finite"),
        (4, "rating is not finite"),
        (5, "user is empty"),
    ]
    assert '"item":"y"' in aside["text"][1]
    assert log.frame.collect()["user"].to_list() == ["a"]


def test_dates_become_seconds(tmp_path: Path) -> None:
    pl.DataFrame({"user": ["a"], "item": ["x"], "time": [datetime(1970, 1, 2, 0, 0, 1)]}).write_parquet(tmp_path / "p")
    assert read(tmp_path / "p").frame.collect()["time"].to_list() == [86401]


def test_a_missing_column_is_refused(tmp_path: Path) -> None:
    pl.DataFrame({"user": ["a"], "item": ["x"]}).write_parquet(tmp_path / "p")
    with pytest.raises(DataError, match="no column 'stars'"):
        read(tmp_path / "p", Roles(user="user", item="item", rating="stars"))


@pytest.mark.parametrize("content", [b"", b"PAR1 and then nothing", b"user,item\na,x\n"])
def test_a_file_that_is_no_parquet_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "log.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"log\.parquet"):
        read(tmp_path / "log.parquet")


def test_a_table_without_a_usable_row_is_refused(tmp_path: Path) -> None:
    pl.DataFrame({"user": [None], "item": ["x"]}, schema={"user": pl.String, "item": pl.String}).write_parquet(
        tmp_path / "p"
    )
    with pytest.raises(DataError, match="user is empty"):
        read(tmp_path / "p")
