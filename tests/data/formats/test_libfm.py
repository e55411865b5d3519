"""libfm lines: a label, and one id of each field."""

from __future__ import annotations

from pathlib import Path

import pytest

from recprune.data.encode import decode, encode
from recprune.data.formats.libfm import read
from recprune.errors import DataError


def write(folder: Path, text: str) -> Path:
    (folder / "train.libfm").write_text(text, newline="")
    return folder / "train.libfm"


def test_the_place_of_an_id_is_its_field_and_each_field_has_codes_of_its_own(tmp_path: Path) -> None:
    log = read(write(tmp_path, "1 10:1 200:1\r\n-1 7:1 200:1 \r\n"), fields=["user", "city"])
    dataset = encode(log)
    assert log.roles.user == "user"
    assert log.roles.categorical == ("city",)
    assert dataset.fields == ("user", "city")
    assert decode(dataset, "user") == ["10", "7"]
    assert dataset["city"].tolist() == [1, 1]
    assert dataset["label"].tolist() == [1.0, 0.0]


def test_fields_by_their_starts_may_be_missing_and_stand_in_any_order(tmp_path: Path) -> None:
    log = read(write(tmp_path, "1 205:1 10:1\n0 11:1\n0 10:1 11:1\n0 300:1\n1 5:1\n"), starts=[10, 200])
    assert log.frame.collect().rows() == [(1.0, "10", "205"), (0.0, "11", None), (0.0, None, "300")]
    assert log.rejected.counts == {"two ids of one field": 1, "an id outside the fields": 1}


def test_lines_of_differing_width_give_one_multi_valued_field(tmp_path: Path) -> None:
    log = read(write(tmp_path, "1 3:1 4:1\n0\n0 9:1\n"))
    assert log.roles.multi == ("features",)
    assert log.frame.collect()["features"].to_list() == [["3", "4"], [], ["9"]]


def test_lines_of_another_form_stand_aside(tmp_path: Path) -> None:
    text = "1 3:1 4:1\n0 3:1\n0 3:0.5 4:1\nyes 3:1 4:1\n0 3 4\n1 3:1 4:11\n"
    log = read(write(tmp_path, text + "0 5:1 6:1\n" * 100), fields=["a", "b"], starts=[0, 4])
    assert log.rejected.rows.select("line", "reason").collect().rows()[:4] == [
        (3, "a value other than 1"),
        (4, "label is no number"),
        (5, "not of the form 'label id:1 id:1'"),
        (6, "a value other than 1"),
    ]


def test_names_and_starts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "1 3:1 4:1\n")
    with pytest.raises(DataError, match="3 names for 2 fields"):
        read(path, fields=["a", "b", "c"])
    with pytest.raises(DataError, match="starts must rise"):
        read(path, starts=[5, 5])
