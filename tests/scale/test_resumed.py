"""A folder of work is gone on from, emptied, or not touched."""

import pytest

from recprune.errors import DataError
from recprune.scale.resumed import resumed


def test_the_same_work_is_kept_and_another_one_removed(tmp_path):
    resumed(tmp_path, {"rows": 3})
    (tmp_path / "scores").mkdir()
    (tmp_path / "given").write_text("stays")
    resumed(tmp_path, {"rows": 3})
    assert (tmp_path / "scores").is_dir()
    resumed(tmp_path, {"rows": 4}, ("given",))
    assert not (tmp_path / "scores").exists()
    assert (tmp_path / "given").read_text() == "stays"


def test_what_is_no_work_of_ours_is_not_removed(tmp_path):
    (tmp_path / "letter.txt").write_text("keep me")
    with pytest.raises(DataError, match=r"letter\.txt"):
        resumed(tmp_path, {"rows": 3})
    assert (tmp_path / "letter.txt").read_text() == "keep me"
