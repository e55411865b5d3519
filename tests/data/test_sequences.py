import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recprune.data.dataset import Histories
from recprune.data.sequences import sequence_samples
from recprune.errors import DataError

RAGGED = st.lists(st.lists(st.integers(0, 9), max_size=8), min_size=1, max_size=8)


def histories(rows):
    starts = np.cumsum([0, *(len(row) for row in rows)])
    return Histories(starts, np.array([item for row in rows for item in row], dtype=np.int32), 10)


def slow(rows, length, every_prefix):
    inputs, targets = [], []
    for row in rows:
        for t in range(1, len(row)):
            if row[t] and (every_prefix or t == len(row) - 1):
                recent = row[max(0, t - length) : t]
                inputs.append([0] * (length - len(recent)) + recent)
                targets.append(row[t])
    return np.array(inputs, dtype=np.int32).reshape(-1, length), np.array(targets, dtype=np.int32)


@given(rows=RAGGED, length=st.integers(1, 5), every_prefix=st.booleans())
@settings(max_examples=80, deadline=None)
def test_samples_are_those_of_the_obvious_loop(rows, length, every_prefix):
    inputs, targets = sequence_samples(histories(rows), length, every_prefix=every_prefix)
    expected, next_items = slow(rows, length, every_prefix)
    np.testing.assert_array_equal(inputs, expected)
    np.testing.assert_array_equal(targets, next_items)
    assert inputs.dtype == targets.dtype == np.int32


def test_the_last_sample_of_a_user_agrees_with_recent():
    h = histories([[], [1, 2, 3, 4], [5], [6, 7]])
    inputs, targets = sequence_samples(h, 3, every_prefix=False)
    assert targets.tolist() == [4, 7]
    shifted = np.concatenate([h.recent(np.array([1, 3]), 4)[:, :-1]])
    np.testing.assert_array_equal(inputs, shifted)


def test_a_length_of_zero_is_refused():
    with pytest.raises(DataError) as error:
        sequence_samples(histories([[1, 2]]), 0)
    assert error.value.length == 0
