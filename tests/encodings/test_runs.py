"""Runs of numbers as bits."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recprune.encodings.run_reader import Reader
from recprune.encodings.runs import BLOCK, Coder, Run

SIZES = st.lists(st.sampled_from([0, 1, 7, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5]), min_size=1, max_size=3)


def run(count: int, seed: int, largest: int, levels: int) -> Run:
    generator = torch.Generator().manual_seed(seed)
    numbers = (torch.rand(count, generator=generator).pow(4) * (largest + 1)).long()
    sways = torch.rand(count, generator=generator) < 0.5
    return Run(numbers, torch.full_like(numbers, seed % 2), sways.long() * (levels > 1))


@settings(max_examples=60, deadline=None)
@given(sizes=SIZES, largest=st.sampled_from([1, 2, 100, 70_000, 2**31]), levels=st.sampled_from([1, 5]))
def test_what_was_written_is_read_and_takes_what_was_said(sizes: list[int], largest: int, levels: int):
    coder = Coder(largest, 2 + levels, levels)
    runs = [run(count, seed, largest, levels) for seed, count in enumerate(sizes)]
    bytes_ = coder.write(runs)
    assert len(bytes_) == coder.size(runs)
    reader = Reader(coder, bytes_, sizes)
    for one in runs:
        assert torch.equal(reader.read(one.tables, one.sways), one.numbers)
    reader.end()


def test_small_numbers_take_few_bits_and_what_follows_its_like_fewer():
    small, wide = torch.tensor([0, 0, 0, 1] * 400), torch.tensor([0, 1, 3, 7] * 200 + [250, 500, 125, 900] * 200)
    zero = torch.zeros_like(small)
    plain, swayed = Coder(1000, 1, 1), Coder(1000, 10, 10)
    assert 8 * plain.size([Run(small, zero, zero)]) < 1.5 * len(small)
    assert swayed.size([Run(wide, zero, zero + 1)]) < plain.size([Run(wide, zero, zero)]) - 50
