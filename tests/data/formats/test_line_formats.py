"""Formats of bare lines: adjacency, sessions and the anonymous web log."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from recprune.data.dataset import Roles
from recprune.data.formats import adjacency, msweb, sessions
from recprune.errors import DataError


def write(folder: Path, text: str) -> Path:
    (folder / "lines.txt.gz").write_bytes(gzip.compress(text.encode()))
    return folder / "lines.txt.gz"


def test_a_user_may_have_several_lines_and_lines_may_be_empty(tmp_path: Path) -> None:
    log = adjacency.read(write(tmp_path, "u 1 2\n\nv 2\r\nu\tx  y \nw\n"))
    assert log.frame.collect().rows() == [("u", "1"), ("u", "2"), ("v", "2"), ("u", "x"), ("u", "y")]
    assert log.rejected.rows.select("line", "reason").collect().rows() == [
        (2, "empty line"),
        (5, "user without an item"),
    ]
    assert log.roles.time is None
    assert not log.repeats


def test_the_order_of_a_line_is_time_where_it_is_said(tmp_path: Path) -> None:
    log = adjacency.read(write(tmp_path, "u 5 4 5\nv 1\n"), ordered=True)
    assert log.frame.collect().rows() == [("u", "5", 0), ("u", "4", 1), ("u", "5", 2), ("v", "1", 3)]
    assert log.roles.time == "time"
    assert log.repeats


def test_lines_without_any_item_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="user without an item: 2"):
        adjacency.read(write(tmp_path, "u\nv\n"))


def test_a_session_is_called_by_its_line_and_keeps_its_order(tmp_path: Path) -> None:
    log = sessions.read(write(tmp_path, "9 8 9\n\n7\n"), name="test-")
    assert log.frame.collect().rows() == [
        ("test-1", "9", 0),
        ("test-1", "8", 1),
        ("test-1", "9", 2),
        ("test-3", "7", 3),
    ]
    assert log.repeats
    assert log.rejected.counts == {"empty line": 1}


def test_visits_belong_to_the_last_user_above(tmp_path: Path) -> None:
    log = msweb.read(write(tmp_path, 'I,4,"x"\nA,1,1,"t, u","/a"\nC,"1",1\nV,1,1\nV,2,1\nC,"2",2\nV,1,1\nnonsense\n'))
    assert log.frame.collect().rows() == [("1", "1"), ("1", "2"), ("2", "1")]
    assert log.rejected.rows.select("line", "reason").collect().rows() == [(8, "no line of this format")]


def test_a_visit_before_any_user_stands_aside(tmp_path: Path) -> None:
    log = msweb.read(write(tmp_path, 'I,4,"x"\nV,1,1\nC,"1",1\nV,2,1\n"\r"x\n'))
    assert log.frame.collect().rows() == [("1", "2")]
    assert log.rejected.rows.select("line", "reason", "text").collect().rows() == [
        (2, "user is empty", " 1"),
        (5, "no line of this format", '"\r"x'),
    ]


def test_an_item_that_is_no_number_where_a_role_says_so_stands_aside_with_its_line(tmp_path: Path) -> None:
    log = adjacency.read(write(tmp_path, "u 1 two\nv 3\n"), Roles(user="user", item="item", time="item"))
    assert log.rejected.rows.select("line", "reason", "text").collect().rows() == [
        (1, "time is no number or date", "u two")
    ]
