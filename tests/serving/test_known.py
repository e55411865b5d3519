import numpy as np
import pytest

from recprune.errors import DataError
from recprune.serving.known import known_of
from recprune.testing import tiny_clicks


def test_what_is_known_is_all_or_what_came_before_a_part(split):
    lengths = {part: set(known_of(split, {}, part).histories.counts()[1:-1]) for part in ("train", "valid", "all")}
    assert lengths == {"train": {5}, "valid": {6}, "all": {7}}


def test_the_last_part_comes_last(split):
    known = known_of(split, {}, "all")
    last = known.histories.items[known.histories.starts[2:-1] - 1]
    by_user = dict(zip(split.test["user"], split.test["item"], strict=True))
    assert [by_user[user] for user in range(1, 25)] == last.tolist()


def test_items_that_left_are_the_unknown_one_and_not_popular(split):
    item = np.arange(18)
    item[3], item[4:] = 0, item[3:-1]
    known = known_of(split, {"item": item})
    assert known.histories.n_items == 17
    assert 0 not in known.popular
    assert known.counts[0] == 0


def test_most_had_leaves_out_what_is_excluded_also_twice(split):
    known = known_of(split, {})
    first = known.most_had(4, np.zeros(0, np.int64)).items
    again = known.most_had(3, np.array([first[0], first[0], 0])).items
    assert again.tolist() == first[1:].tolist()


def test_a_part_that_there_is_not_and_data_of_another_kind_are_refused(split):
    with pytest.raises(DataError, match="one of all"):
        known_of(split, {}, "test")
    clicks = tiny_clicks()
    words = {name: v for name, v in clicks.vocabularies.items() if name != "item"}
    with pytest.raises(DataError, match="users and items"):
        known_of(
            type(clicks)(*(type(p)(p.columns, words, p.roles) for p in (clicks.train, clicks.valid, clicks.test))), {}
        )
