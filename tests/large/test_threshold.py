"""The threshold is that of a stable sort, ties by place, for numbers of every kind."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recprune.errors import BudgetError
from recprune.large.threshold import ordered, threshold

NUMBERS = st.floats(width=32, allow_nan=False) | st.sampled_from([0.0, -0.0, 1.0, 1.0000001, np.inf, -np.inf, 1e-45])


def sorted_out(scores: np.ndarray, keep: int) -> np.ndarray:
    """Of equal scores the lower place leaves first."""
    stays = np.zeros(len(scores), dtype=bool)
    stays[np.argsort(scores, kind="stable")[len(scores) - keep :]] = True
    return stays


@settings(max_examples=150, deadline=None)
@given(numbers=st.lists(NUMBERS, min_size=1, max_size=60), data=st.data())
def test_what_stays_is_what_a_stable_sort_keeps(numbers: list[float], data: st.DataObject):
    scores = np.array(numbers, dtype=np.float32)
    keep = data.draw(st.integers(1, len(scores)))
    step = data.draw(st.integers(1, len(scores)))
    parts = [scores[start : start + step] for start in range(0, len(scores), step)]
    limit, passed, stays = threshold(lambda: parts, keep), 0, []
    for part in parts:
        some, passed = limit.stays(ordered(part), passed)
        stays.append(some)
    assert np.concatenate(stays).tolist() == sorted_out(scores, keep).tolist()


@settings(max_examples=100, deadline=None)
@given(one=NUMBERS, other=NUMBERS)
def test_keys_rise_as_the_numbers_do(one: float, other: float):
    first, second = ordered(np.array([one, other], dtype=np.float32)).tolist()
    assert (first < second, first == second) == (
        np.float32(one) < np.float32(other),
        np.float32(one) == np.float32(other),
    )


def test_nan_and_a_number_that_cannot_be_met_are_refused():
    with pytest.raises(BudgetError, match="NaN"):
        ordered(np.array([1, np.nan], dtype=np.float32))
    for keep in (0, 3):
        with pytest.raises(BudgetError, match="cannot stay"):
            threshold(lambda: [np.ones(2, dtype=np.float32)], keep)
