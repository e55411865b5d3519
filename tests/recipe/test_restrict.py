import numpy as np
import pytest

from recprune.data.vocabulary import Vocabulary
from recprune.errors import DataError
from recprune.recipe.restrict import renumbering, restrict, smaller_vocabularies
from recprune.testing.data import tiny_split

SPLIT = tiny_split()
CODES = np.array([0, 1, 0, 2, 0, 3] + [0] * 11)  # of 16 items, 1, 3 and 5 stay


def test_ids_that_stay_are_the_same_ids_in_the_smaller_vocabulary():
    small = smaller_vocabularies(SPLIT.vocabularies, {"item": CODES})
    assert small["item"].ids == ("i1", "i3", "i5")
    assert small["user"] == SPLIT.vocabularies["user"]


def test_rows_name_the_same_outside_ids_and_what_left_is_unknown():
    small = restrict(SPLIT, {"item": CODES})
    before = SPLIT.vocabularies["item"].decode(SPLIT.train["item"].tolist())
    after = small.vocabularies["item"].decode(small.train["item"].tolist())
    assert after == [name if name in ("i1", "i3", "i5") else None for name in before]
    assert len(small.train) == len(SPLIT.train)
    assert (small.train["user"] == SPLIT.train["user"]).all()


def test_a_split_from_which_nothing_left_is_the_same_split():
    assert restrict(SPLIT, {}) is SPLIT


def test_the_new_codes_can_be_told_from_the_two_vocabularies():
    found = renumbering(SPLIT.vocabularies, smaller_vocabularies(SPLIT.vocabularies, {"item": CODES}))
    assert set(found) == {"item"}
    assert found["item"].tolist() == CODES.tolist()


def test_a_model_of_other_data_is_refused():
    other = {"item": Vocabulary("item", ["i1", "of another shop"])}
    with pytest.raises(DataError, match="1 of the 2 ids of 'item'") as caught:
        renumbering(SPLIT.vocabularies, other)
    assert caught.value.column == "item"
    with pytest.raises(DataError, match="none of that name"):
        renumbering({}, other)
