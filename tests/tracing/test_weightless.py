"""Large tensors have no numbers, small ones do."""

import torch
from torch import nn

from recprune.tracing.weightless import weightless


def test_only_what_is_large_has_no_numbers():
    with weightless(over=100):
        table, few, given = nn.Embedding(51, 2), torch.zeros(10, 10), torch.tensor([*range(200)])
        drawn = torch.rand(101, generator=torch.Generator())
        out = torch.zeros(101, device="cpu")
    assert table.weight.is_meta
    assert drawn.is_meta
    assert [tensor.is_meta for tensor in (few, given, out)] == [False, False, False]
    assert not torch.zeros(1000).is_meta
