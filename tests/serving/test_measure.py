"""Ways to list are compared on the users that are asked for, before they are timed."""

import numpy as np

from recprune.models.build import build
from recprune.serving import recommender
from recprune.serving.eager import Eager
from recprune.serving.measure import Requests, measure_lists
from recprune.serving.recommender import Listed, many_of
from recprune.serving.ways import ways
from recprune.testing import tiny_split

SPLIT = tiny_split()
HISTORIES = SPLIT.train.histories()
ASKED = Requests(np.arange(1, 20), HISTORIES, np.arange(HISTORIES.n_users), 4)
MODEL = build("mf", SPLIT, seed=2).eval()
SIZES = SPLIT.train.n_items, SPLIT.train.n_users


def test_all_that_list_the_same_are_timed():
    found = measure_lists(lambda: ways(MODEL, *SIZES, only=["kernels"]), ASKED, batches=(1, 30), repeats=5, seconds=0.0)
    assert {users: set(took) for users, took in found.speeds.items()} == {
        1: {"eager", "kernels"},
        30: {"eager", "kernels"},
    }
    assert found.refused == {}


def test_one_that_lists_otherwise_for_a_user_of_the_data_is_not_timed():
    class Wrong(Eager):
        def many(self, *asked):
            items, scores = super().many(*asked)
            items[7, 0] = items[7, 1]
            return items, scores

    class WrongAlone(Eager):
        def lists(self, user, history, k, exclude):
            items, scores = super().lists(user, history, k, exclude)
            return Listed(items[::-1] if user == 3 else items, scores)

    ready = {"eager": Eager(MODEL, SIZES[0]), "many": Wrong(MODEL, SIZES[0]), "alone": WrongAlone(MODEL, SIZES[0])}
    found = measure_lists(lambda: (ready, {}), ASKED, batches=(2,), repeats=5, seconds=0.0)
    assert set(found.speeds[2]) == {"eager"}
    assert "for user 8" in found.refused["many"]


def test_no_more_scores_are_held_than_of_a_block(monkeypatch):
    held = []

    class Watched(Eager):
        def many(self, rows, *asked):
            held.append(len(rows))
            return super().many(rows, *asked)

    monkeypatch.setattr(recommender, "SCORES", SIZES[0] * 6)
    found = many_of(Watched(MODEL, SIZES[0]), ASKED.rows, HISTORIES, ASKED.codes, 4, False)
    assert held == [6, 6, 6, 1]
    wanted = Eager(MODEL, SIZES[0]).many(ASKED.rows, HISTORIES, ASKED.codes, 4, False)
    assert np.array_equal(found[0], wanted[0])
    np.testing.assert_allclose(found[1], wanted[1], rtol=1e-5)
