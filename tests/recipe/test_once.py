"""A stage that stands is not done again, and one that was cut off is not taken for it."""

import json

import pytest

from recprune.recipe.once import NOTES, once


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
