"""Numbers of a few bits each."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from recprune.encodings.bits import fields, packed, read, unpacked


@given(st.lists(st.integers(0, 2**31 - 1), max_size=40))
def test_numbers_of_unlike_widths_are_read_back(numbers: list[int]):
    told = torch.tensor(numbers, dtype=torch.int64)
    widths = torch.tensor([n.bit_length() for n in numbers], dtype=torch.int64)
    bytes_ = fields(told + (1 << 40), widths)
    assert len(bytes_) == -(-int(widths.sum()) // 8)
    assert torch.equal(read(bytes_, widths.cumsum(0) - widths, widths, 31), told)


@given(st.lists(st.integers(0, 255), min_size=1, max_size=20))
def test_bytes_are_their_bits_from_the_lowest_on(numbers: list[int]):
    bytes_ = torch.tensor(numbers, dtype=torch.uint8)
    bits = unpacked(bytes_)
    assert bits.tolist() == [n >> place & 1 for n in numbers for place in range(8)]
    assert torch.equal(packed(bits), bytes_)


def test_behind_the_last_byte_there_are_zeros():
    assert read(torch.tensor([255], dtype=torch.uint8), torch.tensor([0, 4, 8]), 8, 8).tolist() == [255, 15, 0]
