"""The largest of very many numbers, beside a sort of them all."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recprune.encodings import largest as module
from recprune.encodings.largest import largest


def by_sorting(numbers: torch.Tensor, count: int) -> list[int]:
    order = sorted(range(len(numbers)), key=lambda place: (float(numbers[place]), place))
    return sorted(order[len(order) - count :])


@settings(max_examples=60, deadline=None)
@given(
    numbers=st.lists(st.floats(-4, 4, width=16), min_size=1, max_size=60),
    share=st.floats(0, 1),
    double=st.booleans(),
)
def test_they_are_those_of_a_sort_and_of_equal_ones_the_last(numbers: list[float], share: float, double: bool):
    values = torch.tensor(numbers, dtype=torch.float64 if double else torch.float32)
    count = round(share * len(numbers))
    assert largest(values, count).tolist() == by_sorting(values, count)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_blocks_are_joined_in_order(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "BLOCK", 7)
    values = torch.randn(100, generator=torch.Generator().manual_seed(3), dtype=dtype)
    values[::5] = values[2]
    assert largest(values, 41).tolist() == by_sorting(values, 41)


def test_numbers_that_differ_in_their_last_bit_are_told_apart():
    one = torch.ones((), dtype=torch.float64)
    above = torch.nextafter(one, one + 1)
    assert largest(torch.stack([above, one, one, above]), 2).tolist() == [0, 3]


def test_a_zero_of_either_sign_is_the_same_number():
    assert largest(torch.tensor([0.0, -0.0, 0.0, -1.0]), 2).tolist() == [1, 2]


def test_nothing_and_everything():
    values = torch.tensor([3.0, 1.0])
    assert largest(values, 0).tolist() == []
    assert largest(values, 5).tolist() == [0, 1]
