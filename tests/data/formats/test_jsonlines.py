"""JSON lines: numbers as they are written, one object a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from recprune.data.dataset import Roles
from recprune.data.formats.jsonlines import read
from recprune.errors import DataError


def write(folder: Path, *lines: str) -> Path:
    (folder / "log.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "log.jsonl"


def test_ids_that_are_numbers_keep_their_digits(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '{"user": 12345678901234567890123, "item": 7.10}',
        '{"user": "7", "item": 1e3}',
        '{"user": true, "item": "\\u0661"}',
    )
    assert read(path).frame.collect().rows() == [
        ("12345678901234567890123", "7.10"),
        ("7", "1e3"),
        ("true", "\u0661"),
    ]


def test_lines_that_are_no_object_stand_aside(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '{"user": 1, "item": 2, "rating": 5}',
        '{"user": 1',
        "[1, 2]",
        "",
        '{"user": null, "item": 2, "rating": 5}',
        '{"user": 1, "item": 3, "rating": NaN}',
        '{"user": 1, "item": 3}',
    )
    log = read(path)
    assert log.frame.collect().rows() == [("1", "2", 5.0)]
    assert log.rejected.rows.select("line", "reason").collect().rows() == [
        (2, "not a JSON object"),
        (3, "not a JSON object"),
        (4, "empty line"),
        (5, "user is empty"),
        (6, "rating is not finite"),
        (7, "rating is no number"),
    ]


def test_a_list_is_a_multi_valued_field(tmp_path: Path) -> None:
    path = write(tmp_path, '{"u": "a", "g": ["x", 1]}', '{"u": "b", "g": null}', '{"u": "c", "g": "y"}')
    log = read(path, Roles(user="u", multi=("g",)))
    assert log.frame.collect()["g"].to_list() == [["x", "1"], [], ["y"]]


def test_a_key_that_no_line_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column 'who'; there are: user, item"):
        read(write(tmp_path, '{"user": 1, "item": 2}'), Roles(user="who", item="item"))


def test_text_that_is_no_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a JSON object a line"):
        read(write(tmp_path, "a,b", "c,d"))


def test_half_a_character_makes_a_bad_line_and_no_more(tmp_path: Path) -> None:
    path = write(tmp_path, '{"user": 1, "item": "\\ud83d\\ude00"}', '{"user": 1, "item": "\\ud800"}', '{"\\ud800": 1}')
    log = read(path)
    assert log.frame.collect().rows() == [("1", "\U0001f600")]
    assert log.rejected.counts == {"not a JSON object": 2}
