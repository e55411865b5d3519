"""Rows that keep their lengths while they learn."""

import pytest
import torch

import recprune
from recprune.testing import tiny_split
from recprune.training.steady import steady

OPTIONS = recprune.FitOptions(epochs=3, batch=8, lr=0.02, decay=0.1)


@pytest.mark.parametrize("name", ["gru4rec", "sasrec"])
@pytest.mark.parametrize("even", [True, False])
def test_only_directions_learn_where_rows_are_even(name, even):
    model = recprune.build(name, tiny_split(), length=6, dim=8, even=even, start="random", seed=0)
    before = model.item.weight.detach().clone()
    history = recprune.fit(model, tiny_split(), OPTIONS).history
    after = model.item.weight.detach()
    assert not torch.allclose(before[1:], after[1:], atol=1e-2)
    assert torch.allclose(before.norm(dim=1), after.norm(dim=1), atol=1e-5) is even
    assert history[-1].loss < history[0].loss
    assert "item.weight" in dict(model.named_parameters())


def test_rows_begin_as_they_are_however_long_and_zeros_stay():
    model = recprune.build("gru4rec", tiny_split(), length=6, dim=8, even=True)
    with torch.no_grad():
        model.item.weight.copy_(torch.randn_like(model.item.weight))
        model.item.weight[4] = 0.0
    before = model.item.weight.detach().clone()
    with steady(model):
        assert torch.allclose(model.item.weight, before, atol=1e-6)
        behind = model.item.parametrizations.weight.original
        (model.item.weight * torch.randn_like(before)).sum().backward()
        along = (behind.grad * before).sum(1)
        assert torch.allclose(along, torch.zeros_like(along), atol=1e-4)
        with torch.no_grad():
            behind.add_(torch.randn_like(behind))
            behind[4] = 0.0
    after = model.item.weight.detach()
    assert torch.allclose(after.norm(dim=1), before.norm(dim=1), atol=1e-5)
    assert not after[4].any()


def test_a_pruned_model_keeps_the_lengths_that_were_left():
    split = tiny_split()
    model = recprune.build("gru4rec", split, length=6, dim=8, hidden=8, even=True, start="random")
    small = recprune.prune(model, split, factor=0.4, options=OPTIONS).model
    assert small.steady() == ("item.weight",)
