"""A folder of work is gone on from, emptied, or not touched."""

import pytest

from recprune.errors import DataError
from recprune.scale.resumed import resumed, workplace


def test_the_same_work_is_kept_and_another_one_removed(tmp_path):
    resumed(tmp_path, {"rows": 3})
    (tmp_path / "scores").mkdir()
    (tmp_path / "given").write_text("stays")
    resumed(tmp_path, {"rows": 3})
    assert (tmp_path / "scores").is_dir()
    resumed(tmp_path, {"rows": 4}, ("given",))
    assert not (tmp_path / "scores").exists()
    assert (tmp_path / "given").read_text() == "stays"


def test_work_lies_beside_its_result_or_where_it_is_said(tmp_path):
    assert workplace(None, tmp_path / "out") == tmp_path / ".out.work"
    assert workplace(tmp_path / "elsewhere", tmp_path / "out").is_dir()


def test_a_folder_with_something_else_in_it_is_no_place_for_work(tmp_path):
    (tmp_path / "letter.txt").write_text("keep me")
    with pytest.raises(DataError, match=r"letter\.txt"):
        workplace(tmp_path, tmp_path / "out")
    assert workplace(tmp_path, tmp_path / "out", ("letter.txt",)) == tmp_path
    resumed(tmp_path, {"rows": 3}, ("letter.txt",))
    assert workplace(tmp_path, tmp_path / "out") == tmp_path
