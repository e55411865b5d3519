"""Lists are the same where only rounding tells them apart."""

import numpy as np
import pytest

from recprune.serving.agreement import as_listed, differ
from recprune.serving.recommender import Listed


def listed(items, scores):
    return Listed(np.array(items), np.array(scores, dtype=np.float32))


WANTED = listed([7, 3, 5, 9], [4, 2, 2 - 1e-6, 1])


@pytest.mark.parametrize(
    "other",
    [
        WANTED,
        listed([7, 5, 3, 9], [4 + 1e-5, 2, 2 - 1e-6, 1]),  # rounding exchanges two
        listed([7, 3, 5, 8], [4, 2, 2, 1 - 1e-5]),  # another one that is as close to the last
    ],
)
def test_what_rounding_exchanges_is_the_same(other):
    assert differ(other, WANTED) == ""


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (listed([7, 3, 5], [4, 2, 2]), "3 items"),
        (listed([7, 3, 5, 9], [4, 2, 2, 0.99]), "apart"),
        (listed([7, 3, 5, 9], [4, 2, np.nan, 1]), "apart"),
        (listed([3, 7, 5, 9], [4, 2, 2 - 1e-6, 1]), "item 3 is listed at place 1"),
        (listed([8, 3, 5, 9], [4, 2, 2 - 1e-6, 1]), "item 8 is listed at place 1"),
        (listed([7, 5, 3, 9], [4, 2, 2, 1]), "item number"),
        (listed([7, 3, 3, 9], [4, 2, 2, 1]), "item number"),
    ],
)
def test_other_lists_are_told_apart(other, said):
    assert said in differ(other, WANTED)


def test_two_empty_lists_are_the_same():
    assert differ(listed([], []), listed([], [])) == ""


def test_places_that_are_filled_up_are_no_part_of_a_list():
    found = as_listed(np.array([4, 2, 0]), np.array([1, 0.5, -np.inf], dtype=np.float32))
    assert found.items.tolist() == [4, 2]
