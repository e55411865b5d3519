"""Formats that are a folder: MovieLens and RecBole."""

from __future__ import annotations

from pathlib import Path

import pytest

from recprune.data.dataset import Roles
from recprune.data.encode import encode
from recprune.data.formats import movielens, recbole
from recprune.errors import DataError

NO_GENRE = "|".join("0" * 17)


def folder(path: Path, **files: str) -> Path:
    for name, text in files.items():
        (path / name.replace("__", ".")).write_bytes(text.encode("latin-1"))
    return path


def test_the_100k_folder_is_read_with_the_fields_of_users_and_films(tmp_path: Path) -> None:
    path = folder(
        tmp_path,
        u__data="1\t7\t5\t100\n2\t8\t3\t200\n3\t7\t4\t300\n",
        u__user="1|24|M|writer|00501\n2|53|F|other|94043\n",
        u__item=f"7|Am\xe9lie (2001)|01-Jan-2001||http://x|0|1|{NO_GENRE}\n8|Old|||http://y|0|0|{NO_GENRE}\n",
    )
    log = movielens.read(path)
    rows = log.frame.select("user", "item", "rating", "time", "age", "zip", "year", "genres").collect().rows()
    assert rows == [
        ("1", "7", 5.0, 100, 24.0, "00501", 2001.0, ["Action"]),
        ("2", "8", 3.0, 200, 53.0, "94043", None, []),
        ("3", "7", 4.0, 300, None, None, 2001.0, ["Action"]),
    ]
    assert log.roles.of_user == ("age", "gender", "occupation", "zip")
    assert log.roles.of_item == ("year", "genres")
    assert encode(log)["zip"].tolist()[2] == 0


def test_the_1m_folder_is_read_with_the_fields_of_users_and_films(tmp_path: Path) -> None:
    path = folder(
        tmp_path,
        ratings__dat="1::7::5::100\n2::8::3::200\n",
        users__dat="1::F::1::10::48067\n2::M::56::16::70072\n",
        movies__dat="7::Am\xe9lie (2001)::Comedy|Romance\n8::Old (1995)::Drama\n",
    )
    log = movielens.read(path)
    assert log.frame.select("user", "age", "year", "genres").collect().rows() == [
        ("1", "1", 2001.0, ["Comedy", "Romance"]),
        ("2", "56", 1995.0, ["Drama"]),
    ]
    assert log.roles.numeric == ("year",)


def test_ratings_alone_are_enough(tmp_path: Path) -> None:
    log = movielens.read(folder(tmp_path, u__data="1\t7\t5\t100\n"))
    assert log.roles == Roles(user="user", item="item", rating="rating", time="time")
    assert len(log) == 1


def test_a_folder_without_ratings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected u\.data or ratings\.dat"):
        movielens.read(folder(tmp_path, readme="nothing here"))


def test_atomic_files_are_read_by_the_types_of_their_headers(tmp_path: Path) -> None:
    path = folder(
        tmp_path,
        tiny__inter="user_id:token\titem_id:token\trating:float\ttimestamp:float\tplace:token\na\tx\t5\t100.0\thome\n",
        tiny__user="user_id:token\tage:float\na\t31\nb\t40\n",
        tiny__item="item_id:token\tgenre:token_seq\tvector:float_seq\nx\tp q\t0.1 0.2\n",
    )
    log = recbole.read(path)
    assert log.roles == Roles(
        user="user_id",
        item="item_id",
        rating="rating",
        time="timestamp",
        categorical=("place",),
        numeric=("age",),
        multi=("genre",),
        of_user=("age",),
        of_item=("genre",),
    )
    frame = log.frame.select("user_id", "item_id", "rating", "timestamp", "place", "age", "genre")
    assert frame.collect().rows() == [("a", "x", 5.0, 100, "home", 31.0, ["p", "q"])]


def test_a_header_without_types_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a header like user_id:token"):
        recbole.read(folder(tmp_path, tiny__inter="user_id\titem_id\na\tx\n"))


def test_a_folder_without_interactions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected one \.inter file, found 0"):
        recbole.read(folder(tmp_path, tiny__item="item_id:token\nx\n"))


def test_rows_of_users_and_films_that_cannot_be_used_are_counted(tmp_path: Path) -> None:
    path = folder(
        tmp_path,
        ratings__dat="1::7::5::100\n2::7::3::200\n1::8::3::300\n",
        users__dat="1::F::1::10::48067\n1::M::25::10::48067\n2::M::56::16::70072\n",
        movies__dat="7::Old (1995)::Drama\n8::Broken\n",
    )
    log = movielens.read(path)
    assert log.frame.select("user", "item", "gender", "year").collect().rows() == [
        ("1", "7", "F", 1995.0),
        ("2", "7", "M", 1995.0),
        ("1", "8", "F", None),
    ]
    assert log.rejected.counts == {"user stands in its table already": 1, "wrong number of columns": 1}
    assert log.rejected.rows.select("file", "line").collect().rows() == [(str(path / "movies.dat"), 2)]


def test_atomic_rows_of_items_that_cannot_be_used_are_counted(tmp_path: Path) -> None:
    path = folder(
        tmp_path,
        tiny__inter="user_id:token\titem_id:token\na\tx\nb\ty\n",
        tiny__item="item_id:token\tshelf:token\tprice:float\nx\tbooks\tN/A\ny\ttoys\t3\ny\ttoys\t4\n",
    )
    log = recbole.read(path)
    assert log.frame.collect().rows() == [("a", "x", None, None), ("b", "y", "toys", 3.0)]
    assert log.rejected.counts == {"price is no number": 1, "item_id stands in its table already": 1}
