"""l2: a penalty in the loss, which Adam scales as it scales gradients."""

import copy
from dataclasses import replace

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

import recprune
from recprune.evaluation.inputs import row_inputs
from recprune.testing import tiny_clicks

OPTIONS = recprune.FitOptions(epochs=5, batch=10_000, lr=0.02, decay=0.0, l2=0.01, patience=5)


def of(split):
    return recprune.build("deepfm", split, dim=4, hidden=[8], dropout=0.0, norm=False, seed=0)


def test_it_is_the_penalty_of_torch_adam():
    split = tiny_clicks()
    model = of(split)
    other = copy.deepcopy(model)
    recprune.fit(model, replace(split, valid=split.valid.take(np.empty(0, dtype=np.int64))), OPTIONS)
    adam = torch.optim.Adam(other.parameters(), lr=OPTIONS.lr, weight_decay=OPTIONS.l2)
    rows = row_inputs(other, split.train, slice(0, len(split.train)))
    target = torch.from_numpy(split.train["label"].copy()).float()
    for _ in range(OPTIONS.epochs):
        adam.zero_grad()
        binary_cross_entropy_with_logits(other(*rows), target).backward()
        adam.step()
    for name, weight in other.state_dict().items():
        assert torch.allclose(model.state_dict()[name], weight, atol=1e-5), name


def test_rows_that_are_not_seen_shrink_by_it_and_what_does_not_learn_stays():
    split = tiny_clicks()
    model = of(split)
    model.bias.requires_grad_(False)
    with torch.no_grad():
        model.table.weight.fill_(0.5)
        model.bias.fill_(0.25)
    recprune.fit(model, split, OPTIONS)
    assert model.table.weight[0].abs().max() < 0.45
    assert model.bias == 0.25
