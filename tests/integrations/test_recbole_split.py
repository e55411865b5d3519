"""Against a slow and obvious way to part rows by the same words."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recprune.errors import DataError
from recprune.integrations.recbole_split import Way, part_of, way_of

NUMBERS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=1, max_size=60)
SHARES = st.sampled_from([(0.8, 0.1, 0.1), (0.7, 0.1, 0.2), (0.5, 0.0, 0.5), (0.34, 0.33, 0.33), (0.9, 0.1, 0.0)])


def sizes(n, shares):
    """Rows of train, validation and test: shares rounded down; an empty one takes a row while train has two."""
    valid, test = int(shares[1] * n), int(shares[2] * n)
    if test == 0 < shares[2] and n - valid - test > 1:
        test = 1
    if valid == 0 < shares[1] and n - valid - test > 1:
        valid = 1
    return n - valid - test, valid, test


def slowly(users, order, parts_of):
    out = [None] * len(users)
    for user in set(users):
        mine = [row for row in order if users[row] == user]
        names = [part for part, count in enumerate(parts_of(len(mine))) for _ in range(count)]
        for row, part in zip(mine, names, strict=True):
            out[row] = part
    return out


@settings(max_examples=60, deadline=None)
@given(NUMBERS, SHARES, st.booleans())
def test_shares_in_time_order_are_those_of_the_slow_way(rows, shares, by_user):
    users, time = map(np.array, zip(*rows, strict=True))
    order = sorted(range(len(rows)), key=lambda row: time[row])
    wanted = slowly(users.tolist() if by_user else [0] * len(rows), order, lambda n: sizes(n, shares))
    assert part_of(Way("RS", "TO", by_user, 0, shares), users, time).tolist() == wanted


@settings(max_examples=60, deadline=None)
@given(NUMBERS, st.sampled_from([(1, 1), (0, 1)]))
def test_the_last_rows_of_each_user_leave_one_in_train(rows, last):
    users, time = map(np.array, zip(*rows, strict=True))
    order = sorted(range(len(rows)), key=lambda row: time[row])

    def parts_of(n):
        test = min(last[1], n - 1)
        valid = min(last[0], n - 1 - test)
        return n - valid - test, valid, test

    assert part_of(Way("LS", "TO", True, 0, last=last), users, time).tolist() == slowly(users.tolist(), order, parts_of)


@settings(max_examples=60, deadline=None)
@given(NUMBERS, st.sampled_from([(0.8, 0.1, 0.1), (0.5, 0.3, 0.2)]))
def test_one_moment_parts_test_from_the_rest(rows, shares):
    users, time = map(np.array, zip(*rows, strict=True))
    moment = np.percentile(time.astype(np.float32), 100 * (1 - shares[2]))
    found = part_of(Way("TS", "TO", True, 0, shares), users, time)
    assert ((found == 2) == (time > moment)).all()
    for user in set(users.tolist()):
        early = np.flatnonzero((users == user) & (found != 2))
        train = int(len(early) * (shares[0] / (1 - shares[2])))
        by_time = early[np.argsort(time[early], kind="stable")]
        assert found[by_time].tolist() == [0] * train + [1] * (len(early) - train)


def test_what_is_drawn_hangs_on_the_seed_and_holds_the_shares_of_each_user():
    users = np.repeat(np.arange(20), 10)
    first, again, other = (part_of(Way("RS", "RO", True, n, (0.8, 0.1, 0.1)), users, None) for n in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
    assert all(np.bincount(first[users == user]).tolist() == [8, 1, 1] for user in range(20))


def test_what_is_left_out_of_eval_args_is_as_recbole_has_it():
    assert way_of({}, 5) == Way("RS", "RO", True, 5, (0.8, 0.1, 0.1))
    said = {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full"}
    assert way_of(said, 0) == Way("LS", "TO", True, 0, last=(1, 1))
    assert str(way_of({"group_by": "none"}, 0)) == "RS RO, as RecBole does"


@pytest.mark.parametrize(
    "said",
    [{"split": {"RS": [1, 1]}}, {"split": {"RS": ["a", 1, 1]}}, {"split": [1]}, {"order": "UP"}, {"group_by": "item"}],
)
def test_other_ways_are_refused(said):
    with pytest.raises(DataError, match="eval_args"):
        way_of(said, 0)
    with pytest.raises(DataError, match="TIME_FIELD"):
        part_of(Way("RS", "TO", True, 0, (0.8, 0.1, 0.1)), np.zeros(3, dtype=int), None)
