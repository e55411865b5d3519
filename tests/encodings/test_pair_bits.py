"""Sparse matrices of one value, in a few bits an entry."""

import pytest
import torch
from tests.encodings.test_pairs import pairs

from recprune.encodings.pair_bits import PairBits
from recprune.errors import SurgeryError


def test_a_number_of_pairs_takes_so_many_bytes():
    codes = PairBits.of(pairs(300, 70, 0.1))
    size = sum(part.numel() * part.element_size() for name, part in codes.named_buffers() if name != "like")
    assert size == PairBits.stored_bytes((300, 70), entries=codes.entries)


def test_a_pair_takes_two_bits_more_than_its_place_among_others_has_to():
    held = pairs(2000, 4096, 0.004)
    codes, entries = PairBits.of(held), len(held.values)
    bits = 8 * (codes.codes.numel() + codes.steps.numel())
    assert bits / entries <= torch.log2(torch.tensor(2000 * 4096 / entries)) + 2.1


@pytest.mark.parametrize("part", ["codes", "steps", "count"])
def test_damaged_parts_are_refused(part: str):
    parts = dict(PairBits.of(pairs(30, 50, 0.2)).named_buffers())
    PairBits.rebuilt(parts)
    for value in (0, 255):
        damaged = parts | {part: torch.full_like(parts[part], value)}
        if part == "codes" and value == 0:
            continue  # places may still rise where no two share what is before their low bits
        with pytest.raises(SurgeryError):
            PairBits.rebuilt(damaged)
