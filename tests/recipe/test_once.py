"""A stage that stands is not done again, and one that was cut off is not taken for it."""

import json

import pytest

from recprune.errors import ArtifactError, DataError
from recprune.recipe.once import NOTES, alone, forget, once, readable


def test_what_was_made_from_the_same_is_not_made_again(tmp_path):
    place, made = tmp_path / "small", []
    for options in (1, 1, 2):
        once(tmp_path, place, "before", options, lambda key: (made.append(key), place.write_text("")))
    assert len(made) == len(set(made)) == 2


def test_what_was_cut_off_before_its_note_is_not_taken_for_the_older_one(tmp_path):
    place, other = tmp_path / "small", tmp_path / "big"
    once(tmp_path, other, "before", [], lambda _: other.write_text("big"))
    once(tmp_path, place, "before", "old", lambda _: place.write_text("old"))

    def killed(_):
        place.write_text("new")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        once(tmp_path, place, "before", "new", killed)
    assert json.loads((tmp_path / NOTES).read_text()).keys() == {"big"}
    once(tmp_path, place, "before", "old", lambda _: place.write_text("old"))
    assert place.read_text() == "old"


@pytest.mark.parametrize("text", ["", "[1]", '{"small": "cut o'])
def test_notes_that_cannot_be_read_are_none(tmp_path, text):
    (tmp_path / NOTES).write_text(text)
    made = []
    for _ in range(2):
        once(tmp_path, tmp_path / "small", "before", [], lambda key: (made.append(key), (tmp_path / "small").touch()))
    assert len(made) == 1


def test_two_do_not_make_their_stages_in_one_folder(tmp_path):
    with alone(tmp_path / "out"), pytest.raises(ArtifactError, match="another process"), alone(tmp_path / "out"):
        pytest.fail("both were let in")
    with alone(tmp_path / "out"), alone(tmp_path / "out" / "steps"):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="a file is in the way"), alone(tmp_path / "file"):
        pytest.fail("a file is no folder")


def test_what_killed_processes_left_goes_and_nothing_else(tmp_path):
    gone = ("train-1.checkpoint", "train-1.checkpoint.0-1", ".train-1.checkpoint.lock", ".train-1.checkpoint.0-1.lock")
    gone += (".train-2.checkpoint.0123456789ab.tmp",)
    stay = ("train-1.json", "small-1.checkpoint", ".notes")
    for name in (*gone, *stay, ".step-2.checkpoint.lock"):
        (tmp_path / name).touch()
    with alone(tmp_path):
        forget(tmp_path, "train-*.checkpoint*")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(stay)


def test_a_stage_whose_folder_was_set_aside_by_a_kill_stands(tmp_path):
    place, made = tmp_path / "small", []
    for _ in range(2):
        once(tmp_path, place, "before", [], lambda key: (made.append(key), place.mkdir()))
        if place.is_dir():
            place.rename(tmp_path / ".small.old")
    assert len(made) == 1


def test_a_damaged_file_is_named_with_the_way_out(tmp_path):
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(ArtifactError, match=r"x\.json cannot be read.*the same call makes it again"):
        readable(tmp_path / "x.json", json.loads)
