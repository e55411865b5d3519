"""Codes that training hides, of models that rank."""

import dataclasses

import numpy as np
import pytest
import torch

from recprune.errors import TrainingError
from recprune.models.build import build
from recprune.testing import tiny_split
from recprune.training.fit import FitOptions, fit

OPTIONS = FitOptions(epochs=2, batch=16, lr=0.02, negatives=4, k=3, decay=0.0)


@pytest.mark.parametrize("loss", ["softmax", "sampled_softmax", "bpr"])
def test_row_zero_of_the_users_learns_where_codes_are_hidden(loss):
    split, rows = tiny_split(), []
    for unknown in (0.0, 0.3):
        model = build("mf", split, dim=8)
        fit(model, split, dataclasses.replace(OPTIONS, loss=loss, unknown=unknown))
        rows.append(model.user.weight[0].detach())
    assert torch.count_nonzero(rows[0]) == 0
    assert torch.count_nonzero(rows[1]) == 8


@pytest.mark.parametrize(
    ("name", "asked", "loss", "taught"),
    [
        ("sasrec", "states", "softmax", False),
        ("sasrec", "states", "softmax", True),
        ("gru4rec", "states", "sampled_softmax", False),
        ("caser", "query", "softmax", False),
        ("caser", "query", "softmax", True),
        ("ultragcn", "query", "constraint", False),
    ],
)
def test_what_is_read_is_hidden_and_what_is_to_be_found_is_not(name, asked, loss, taught):
    split = tiny_split()
    blind = dataclasses.replace(split, valid=split.valid.take(np.arange(0)))
    small = {"dim": 8} if name == "ultragcn" else {"length": 5, "dim": 8}
    read, teacher = [], build(name, split, seed=1, **small) if taught else None
    for unknown in (0.0, 0.9):
        model, seen = build(name, split, **small), []
        real = getattr(model, asked)

        def noted(codes, real=real, seen=seen):
            seen.append(float((codes == 0).float().mean()))
            return real(codes)

        setattr(model, asked, noted)
        result = fit(model, blind, dataclasses.replace(OPTIONS, unknown=unknown, loss=loss), teacher=teacher)
        assert all(np.isfinite(epoch.loss) for epoch in result.history)
        read.append(np.mean(seen))
    assert read[0] < 0.7
    assert read[1] > 0.85


def test_codes_of_whole_histories_cannot_be_hidden():
    split = tiny_split()
    with pytest.raises(TrainingError, match="hidden") as error:
        fit(build("fism", split, dim=8), split, dataclasses.replace(OPTIONS, unknown=0.1))
    assert error.value.option == "unknown"
