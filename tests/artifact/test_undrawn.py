"""Modules are made without numbers, and the same as with them where there are numbers."""

import torch
from torch import nn

from recprune.artifact.undrawn import Undrawn


def test_what_has_no_numbers_gets_none_and_all_shapes():
    with torch.device("meta"), Undrawn():
        made = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2), nn.LSTM(2, 2), nn.BatchNorm1d(4))
        nn.init.trunc_normal_(made[0].weight, std=0.1)
        assert made[0].weight.normal_() is made[0].weight
    with torch.device("meta"):
        drawn = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2), nn.LSTM(2, 2), nn.BatchNorm1d(4))
    facts = [[(n, t.shape, t.dtype, t.is_meta) for n, t in module.state_dict().items()] for module in (made, drawn)]
    assert facts[0] == facts[1]


def test_numbers_are_drawn_where_there_are_any():
    torch.manual_seed(3)
    wanted = nn.Embedding(5, 3).weight
    torch.manual_seed(3)
    with Undrawn():
        found = nn.Embedding(5, 3).weight
        assert torch.equal(nn.init.zeros_(torch.ones(2)), torch.zeros(2))
    assert torch.equal(found, wanted)
