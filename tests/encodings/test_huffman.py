"""Prefix codes of a limited length."""

import heapq

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recprune.encodings.huffman import LIMIT, SYMBOL, code_lengths, code_words, look_up

COUNTS = st.lists(st.integers(0, 1000), min_size=1, max_size=63)


def least(counts: list[int]) -> int:
    """Bits of a Huffman code, as Huffman makes it, of any length."""
    heap, bits = sorted(c for c in counts if c), 0
    while len(heap) > 1:
        both = heapq.heappop(heap) + heapq.heappop(heap)
        bits += both
        heapq.heappush(heap, both)
    return bits or sum(heap)


@given(COUNTS)
def test_words_are_as_short_as_those_of_huffman_where_the_limit_does_not_bind(counts: list[int]):
    lengths = code_lengths(counts)
    assert all((bits > 0) == (count > 0) for bits, count in zip(lengths, counts, strict=True))
    bits = sum(a * b for a, b in zip(lengths, counts, strict=True))
    assert bits >= least(counts)
    if max(lengths) < LIMIT:
        assert bits == least(counts)


def test_counts_that_ask_for_longer_words_get_the_longest_that_there_are():
    counts = [2**n for n in range(30)]
    lengths = code_lengths(counts)
    assert max(lengths) == LIMIT
    assert sum(2.0**-bits for bits in lengths) == 1.0
    assert lengths == sorted(lengths, reverse=True)


@given(COUNTS)
def test_every_word_is_looked_up_whatever_comes_after_it(counts: list[int]):
    lengths = torch.tensor([code_lengths(counts), [0] * len(counts)])
    words, table = code_words(lengths), look_up(lengths)
    for symbol, bits in enumerate(lengths[0].tolist()):
        for after in (0, (1 << LIMIT - bits) - 1) if bits else ():
            assert int(table[int(words[0, symbol]) | after << bits]) == bits << SYMBOL | symbol


@pytest.mark.parametrize("counts", [[], [0, 0]])
def test_nothing_has_no_words(counts: list[int]):
    assert code_lengths(counts) == [0] * len(counts)
