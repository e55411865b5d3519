"""Parquet: lazy, with rows that cannot be used counted and set aside."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from recprune.data.dataset import Roles
from recprune.data.encode import encode
from recprune.data.formats.parquet import read
from recprune.data.log import clean
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


def parts(folder: Path, **files: pl.DataFrame) -> Path:
    for name, table in files.items():
        path = folder / name.replace("__", "/").replace("_is_", "=")
        path.parent.mkdir(parents=True, exist_ok=True)
        table.write_parquet(f"{path}.parquet")
    return folder


def one(user: int, item: str = "x") -> pl.DataFrame:
    return pl.DataFrame({"user": [user], "item": [item]})


def test_folders_that_say_a_value_give_a_column_of_text(tmp_path: Path) -> None:
    parts(tmp_path / "run=3", store_is_007__day_is_2__a=one(2), store_is_007__day_is_1__a=one(1))
    (tmp_path / "run=3" / "store=__HIVE_DEFAULT_PARTITION__" / "day=1").mkdir(parents=True, exist_ok=True)
    one(3).write_parquet(tmp_path / "run=3" / "store=__HIVE_DEFAULT_PARTITION__" / "day=1" / "a.parquet")
    (tmp_path / "run=3" / "store=a%2Fb c" / "day=1").mkdir(parents=True)
    one(4).write_parquet(tmp_path / "run=3" / "store=a%2Fb c" / "day=1" / "a.parquet")
    frame = read(tmp_path / "run=3", Roles("user", "item", time="day", categorical=("store",))).frame.collect()
    assert "run" not in frame.columns
    assert frame.select("user", "store", "day").rows() == [
        ("1", "007", 1),
        ("2", "007", 2),
        ("3", None, 1),
        ("4", "a/b c", 1),
    ]


def test_a_pattern_finds_files_and_folders(tmp_path: Path) -> None:
    parts(tmp_path, day_is_1__b=one(2), day_is_1__a=one(1), day_is_2__a=one(3), other__a=one(4))
    users = {
        "day=*": ["1", "2", "3"],
        "day=*/a.parquet": ["1", "3"],
        "**/b.parquet": ["2"],
        "day=[2]": ["3"],
    }
    assert {name: read(tmp_path / name).frame.collect()["user"].to_list() for name in users} == users
    with pytest.raises(DataError, match="no such Parquet file"):
        read(tmp_path / "week=*")


def test_files_that_hive_does_not_look_at_are_left_out(tmp_path: Path) -> None:
    parts(tmp_path, a=one(1), _temporary__b=one(2), _b=one(3), day__c=one(4))
    one(5).write_parquet(tmp_path / ".d.parquet")
    (tmp_path / "_SUCCESS").write_bytes(b"")
    assert read(tmp_path).frame.collect()["user"].to_list() == ["1", "4"]


def test_files_may_lack_columns_and_hold_narrower_numbers(tmp_path: Path) -> None:
    later = pl.DataFrame({"item": ["y"], "user": [2**40], "rating": [4.5]})
    parts(tmp_path, a=one(1).cast({"user": pl.Int32}), b=later)
    log = read(tmp_path, Roles("user", "item", numeric=("rating",)))
    assert log.frame.collect().select("user", "item", "rating").rows() == [("1", "x", None), (str(2**40), "y", 4.5)]
    assert read(tmp_path).rejected.counts == {"rating is no number": 1}


def test_a_damaged_file_among_others_is_named(tmp_path: Path) -> None:
    parts(tmp_path, a=one(1), b=one(2))
    whole = (tmp_path / "b.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"b\.parquet cannot be read as Parquet"):
        read(tmp_path)


@pytest.mark.parametrize("place", ["_delta_log/0.json", "metadata/v1.metadata.json", ".hoodie/hoodie.properties"])
def test_a_folder_in_which_not_all_files_count_is_refused(place: str, tmp_path: Path) -> None:
    parts(tmp_path, data__a=one(1))
    (tmp_path / place).parent.mkdir()
    (tmp_path / place).write_text("{}")
    with pytest.raises(DataError, match=r"rows that were removed"):
        read(tmp_path)


def test_what_says_that_a_value_is_missing_says_it_of_numbers_too(tmp_path: Path) -> None:
    table = {"user": ["a", "b", "c"], "item": [1.0, -1.0, 2.0], "age": [-1, 0, 9], "price": [-1.0, None, 0.1]}
    pl.DataFrame(table).with_columns(pl.col("price").cast(pl.Float32)).write_parquet(tmp_path / "p")
    roles = Roles(user="user", categorical=("item",), numeric=("age", "price"))
    frame = read(tmp_path / "p", roles, missing=["-1", "0.1"]).frame.collect()
    assert frame["age"].to_list() == [None, 0.0, 9.0]
    assert frame["price"].to_list() == [None, None, None]
    assert frame["item"].to_list() == ["1.0", None, "2.0"]


def test_nan_is_no_id(tmp_path: Path) -> None:
    nan = float("nan")
    table = {"user": [1.0, nan, 2.0], "item": ["x", "y", "z"], "shop": [nan, 1.0, 2.0], "tags": [[1.0], [], [nan, 2.0]]}
    pl.DataFrame(table).write_parquet(tmp_path / "p")
    log = read(tmp_path / "p", Roles(user="user", item="item", categorical=("shop",), multi=("tags",)))
    assert log.frame.collect().rows() == [("1.0", "x", None, ["1.0"]), ("2.0", "z", "2.0", ["2.0"])]
    assert log.rejected.counts == {"user is empty": 1}


def test_lists_of_one_length_are_multi_valued_too(tmp_path: Path) -> None:
    tags = pl.Series("tags", [[1, 2], [2, 3]], dtype=pl.Array(pl.Int64, 2))
    pl.DataFrame({"user": ["a", "b"], "item": ["x", "y"], "tags": tags}).write_parquet(tmp_path / "p")
    log = clean(read(tmp_path / "p", Roles(user="user", item="item", multi=("tags",))))
    assert encode(log)["tags"].tolist() == [[1, 2], [2, 3]]
