"""The k-th smallest of numbers that lie in parts, against sorting them all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recprune.errors import BudgetError
from recprune.large.radix import Place, keys_of_times, kth, tally, time_of_key

TIMES = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3)


@settings(max_examples=60, deadline=None)
@given(st.lists(TIMES, min_size=1, max_size=40), st.data())
def test_the_kth_of_all_times_is_found_however_they_are_parted(times, data):
    k = data.draw(st.integers(0, len(times) - 1))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(times)), max_size=4)))
    parts = np.split(np.array(times, dtype=np.int64), cuts)
    found = kth(lambda known, shift: (tally(keys_of_times(part), known, shift) for part in parts), k, 64)
    wanted = sorted(times)[k]
    assert time_of_key(found.key) == wanted
    counts = (sum(t < wanted for t in times), times.count(wanted), sum(t > wanted for t in times))
    assert (found.below, found.equal, found.above) == counts


def test_keys_of_32_bits_take_two_rounds():
    asked = []
    keys = np.array([7, 1 << 20, (1 << 20) + 1, 5], dtype=np.uint32)

    def counts(known, shift):
        asked.append(shift)
        return [tally(keys, known, shift)]

    assert kth(counts, 2, 32) == Place(1 << 20, 2, 1, 1)
    assert kth(counts, -2, 32) == kth(counts, 2, 32)
    assert asked == [16, 0] * 3


def test_keys_rise_as_times_do():
    times = np.array([-(2**63), -1, 0, 1, 2**63 - 1], dtype=np.int64)
    keys = keys_of_times(times)
    assert (keys[1:] > keys[:-1]).all()
    assert [time_of_key(int(key)) for key in keys] == times.tolist()


def test_a_number_that_is_not_there_is_refused():
    for k in (2, -3):
        with pytest.raises(BudgetError, match="among 2"):
            kth(lambda known, shift: [tally(np.array([1, 2], dtype=np.uint32), known, shift)], k, 32)
