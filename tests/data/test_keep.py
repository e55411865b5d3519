import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recprune.data.dataset import Roles
from recprune.data.keep import enough, once, repeated

ROLES = Roles(user="user", item="item", rating="rating", time="time")
FEW = st.lists(st.integers(0, 6), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(FEW, st.sampled_from([0, 1 << 20, 1 << 61]))
def test_rows_of_a_repeated_key_are_those_of_a_slow_obvious_loop_also_where_keys_are_large(keys, offset):
    rows, found = repeated(np.array(keys, dtype=np.int64) + offset)
    assert sorted(rows.tolist()) == [row for row, key in enumerate(keys) if keys.count(key) > 1]
    assert found.tolist() == [keys[row] + offset for row in rows]
    assert found.tolist() == sorted(found)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=24),
    st.sampled_from(["last", "first", "sum"]),
)
def test_of_each_pair_one_row_stays_by_the_policy(rows, policy):
    frame = pl.DataFrame(
        {
            "user": pl.Series([f"u{u}" for u, _, _ in rows], dtype=pl.Categorical(pl.Categories.random("user"))),
            "item": pl.Series([f"i{i}" for _, i, _ in rows], dtype=pl.Categorical(pl.Categories.random("item"))),
            "rating": pl.Series([float(2**n) for n in range(len(rows))], dtype=pl.Float32),
            "time": [time for _, _, time in rows],
        }
    )
    expected = {}
    for number, (user, item, _) in sorted(enumerate(rows), key=lambda row: (row[1][2], row[0])):
        if policy != "first" or (user, item) not in expected:
            expected[user, item] = number
    kept, left = once(frame, ROLES, policy)
    assert left == len(rows) - len(expected)
    numbers = sorted(expected.values())
    assert kept["time"].to_list() == [rows[n][2] for n in numbers]
    if policy == "sum":
        totals = [sum(2.0**m for m, row in enumerate(rows) if row[:2] == rows[n][:2]) for n in numbers]
        assert kept["rating"].to_list() == totals
    else:
        assert kept["rating"].to_list() == [2.0**n for n in numbers]


@pytest.mark.parametrize("fewest", [[2, 2], [3, 1], [2, 5]])
def test_the_core_is_the_largest_set_whose_every_code_has_enough(fewest):
    rng = np.random.default_rng(3)
    sides = [rng.integers(0, 30, 150), (30 * rng.random(150) ** 2).astype(np.int64)]
    keep = np.ones(150, dtype=bool)
    changed = True
    while changed:
        changed = False
        for row in np.flatnonzero(keep):
            if any((side[keep] == side[row]).sum() < least for side, least in zip(sides, fewest, strict=True)):
                keep[row], changed = False, True
    assert enough(sides, fewest).tolist() == keep.tolist()
