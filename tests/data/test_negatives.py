from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recprune.data.dataset import Dataset, Roles, Split
from recprune.data.negatives import with_negatives
from recprune.data.vocabulary import Vocabulary
from recprune.errors import DataError

N_USERS, N_ITEMS = 6, 9
ROLES = Roles(
    user="user",
    item="item",
    time="time",
    rating="rating",
    categorical=("city", "brand", "weather"),
    multi=("tags",),
    of_user=("city",),
    of_item=("brand", "tags"),
)


def part(pairs, begin):
    """Rows whose fields can be told from the user, the item and the row number."""
    users, items = np.array(pairs, dtype=np.int32).reshape(-1, 2).T
    rows = begin + np.arange(len(users))
    columns = {
        "user": users,
        "item": items,
        "rating": np.full(len(users), 5, dtype=np.float32),
        "time": rows.astype(np.int64),
        "city": users + 10,
        "brand": items + 20,
        "weather": rows.astype(np.int32) + 100,
        "tags": np.stack([items + 30, items + 40], 1).astype(np.int32),
    }
    ids = {"user": N_USERS, "item": N_ITEMS, "city": 40, "brand": 40, "weather": 400, "tags": 60}
    return Dataset(
        columns, {name: Vocabulary(name, [f"{n}" for n in range(1, size)]) for name, size in ids.items()}, ROLES
    )


def make(train, valid, test):
    return Split(part(train, 0), part(valid, 100), part(test, 200))


PAIRS = st.lists(st.tuples(st.integers(1, N_USERS - 1), st.integers(1, N_ITEMS - 1)), max_size=12)


@given(train=PAIRS.filter(len), valid=PAIRS, test=PAIRS, per_positive=st.integers(1, 3), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_the_rule_holds_for_every_row(train, valid, test, per_positive, seed):
    split = make(train, valid, test)
    out = with_negatives(split, per_positive, seed)
    seen = []
    for before, after in zip((split.train, split.valid, split.test), (out.train, out.valid, out.test), strict=True):
        seen += zip(before["user"].tolist(), before["item"].tolist(), strict=True)
        items = {item for _, item in seen}
        row = 0
        for n, (user, item) in enumerate(zip(before["user"], before["item"], strict=True)):
            had = {i for u, i in seen if u == user}
            group = after.take(np.arange(row, row + 1 + (per_positive if items - had else 0)))
            row += len(group)
            assert group["item"][0] == item
            assert group["label"].tolist() == [1.0] + [0.0] * (len(group) - 1)
            assert set(group["item"][1:].tolist()) <= items - had
            for same in ("user", "city", "weather", "time"):
                assert set(group[same].tolist()) == {before[same][n]}
            np.testing.assert_array_equal(group["brand"], group["item"] + 20)
            np.testing.assert_array_equal(group["tags"], np.stack([group["item"] + 30, group["item"] + 40], 1))
        assert row == len(after)


def test_negatives_are_uniform_over_what_the_user_has_not_had():
    split = make([(1, 1), (1, 4), (1, 7), *((2, item) for item in range(1, N_ITEMS))], [], [])
    out = with_negatives(split, 4000).train
    mine = out["item"][(out["user"] == 1) & (out["label"] == 0)]
    counts = np.bincount(mine, minlength=N_ITEMS)
    assert counts.sum() == 12_000
    assert set(np.flatnonzero(counts)) == {2, 3, 5, 6, 8}
    assert abs(counts[counts > 0] - 2400).max() < 5 * np.sqrt(2400)


def test_a_later_part_is_not_looked_at():
    split = make([(1, 1), (2, 2)], [], [(1, 2), (1, 3)])
    out = with_negatives(split, 50)
    train = out.train["item"][(out.train["user"] == 1) & (out.train["label"] == 0)]
    assert set(train.tolist()) == {2}, "item 2 is test for user 1, which train cannot know; item 3 is in test only"
    assert len(out.test) == 2, "in the end user 1 has had every item there is"


def test_the_same_seed_gives_the_same_rows_and_every_part_has_its_own_stream():
    pairs = [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]
    split = make(pairs, pairs, pairs)
    one, two, other = with_negatives(split, 4, 7), with_negatives(split, 4, 7), with_negatives(split, 4, 8)
    for name in one.train.columns:
        np.testing.assert_array_equal(one.train[name], two.train[name])
    assert (one.train["item"] != other.train["item"]).any()
    assert (one.train["item"] != one.test["item"]).any()


def test_ratings_leave_and_the_roles_say_label():
    out = with_negatives(make([(1, 1), (2, 2)], [], [])).train
    assert "rating" not in out.columns
    assert (out.roles.label, out.roles.rating) == ("label", None)


def test_the_histories_stay_those_of_the_positives():
    split = make([(1, 3), (1, 2), (2, 5)], [], [])
    before, after = split.train.histories(), with_negatives(split).train.histories()
    np.testing.assert_array_equal(before.items, after.items)
    np.testing.assert_array_equal(before.starts, after.starts)


def test_a_log_with_negatives_of_its_own_is_refused():
    split = make([(1, 1), (2, 2)], [], [])
    labelled = replace(split.train, columns={**split.train.columns, "label": np.array([1, 0], dtype=np.float32)})
    with pytest.raises(DataError) as error:
        with_negatives(replace(split, train=labelled))
    assert error.value.column == "label"


def test_no_negatives_at_all_are_refused():
    with pytest.raises(DataError) as error:
        with_negatives(make([(1, 1)], [], []), 0)
    assert error.value.per_positive == 0


def test_parts_whose_rows_hold_different_numbers_of_genres_are_padded_alike():
    vocabularies = {name: Vocabulary(name, [str(n) for n in range(1, 4)]) for name in ("user", "item", "genres")}
    roles, genres = Roles(multi=("genres",), of_item=("genres",)), {1: [1], 2: [2, 3], 3: [1, 2, 3]}

    def part(users, items):
        width = max(len(genres[item]) for item in items)
        codes = [genres[item] + [0] * (width - len(genres[item])) for item in items]
        named = {"user": users, "item": items, "genres": codes}
        return Dataset({n: np.array(v, dtype=np.int32) for n, v in named.items()}, vocabularies, roles)

    found = with_negatives(Split(part([1, 2], [1, 2]), part([2], [1]), part([3, 3], [3, 1])), per_positive=2)
    for made in (found.train, found.valid, found.test):
        for item, codes in zip(made["item"].tolist(), made["genres"].tolist(), strict=True):
            assert [code for code in codes if code] == genres[item]
