"""Runs of numbers that are read back."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.encodings.test_runs import SIZES, run

from recprune.encodings.run_reader import Reader
from recprune.encodings.runs import BLOCK, Coder
from recprune.errors import SurgeryError


@settings(max_examples=200, deadline=None)
@given(sizes=SIZES, place=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255), cut=st.sampled_from([0, 1, 30]))
def test_damaged_bytes_give_numbers_or_one_error(sizes: list[int], place: float, value: int, cut: int):
    coder = Coder(3000, 6, 4)
    runs = [run(count, seed, 3000, 4) for seed, count in enumerate(sizes)]
    bytes_ = coder.write(runs)
    bytes_[int(place * len(bytes_))] = value
    try:
        reader = Reader(coder, bytes_[: max(1, len(bytes_) - cut)], sizes)
        found = [reader.read(one.tables, one.sways) for one in runs]
        reader.end()
    except SurgeryError as error:
        assert "damaged" in str(error)  # noqa: PT017 (either way is right, and nothing else)
    else:
        assert [len(one) for one in found] == sizes
        assert all(bool((one >= 0).all()) for one in found)


def test_more_numbers_than_there_are_bits_are_refused_before_they_are_read():
    coder = Coder(3000, 6, 4)
    bytes_ = coder.write([run(BLOCK, 0, 3000, 4)])
    with pytest.raises(SurgeryError, match="numbers are in"):
        Reader(coder, bytes_, [2**40])


def test_what_stands_behind_the_last_number_is_refused():
    coder, one = Coder(3000, 6, 4), run(BLOCK, 0, 3000, 4)
    bytes_ = coder.write([one])
    for more in ([0], [1]):
        reader = Reader(coder, torch.cat([bytes_, torch.tensor(more, dtype=torch.uint8)]), [BLOCK])
        reader.read(one.tables, one.sways)
        with pytest.raises(SurgeryError, match="behind its last number"):
            reader.end()
