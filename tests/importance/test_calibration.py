import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recprune.errors import SurveyError
from recprune.importance.calibration import linear_at, moments


def mlp() -> tuple[nn.Sequential, list]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 2))
    return model, [((torch.randn(rows, 5),), torch.zeros(rows)) for rows in (30, 7)]


def test_moments_are_those_of_all_rows_of_all_batches() -> None:
    model, batches = mlp()
    other = copy.deepcopy(model)
    with torch.no_grad():
        other[2].weight[:, 3:] = 0
    found = moments(model, other, "2", np.array([0, 2]), batches)
    with torch.no_grad():
        x = torch.cat([model[:2](x) for (x,), _ in batches])[:, [0, 2]].double()
        lack = torch.cat([model(x) - other(x) for (x,), _ in batches]).double()
    assert torch.allclose(found.inputs, x.mean(0))
    assert torch.allclose(found.lack, lack.mean(0))
    assert torch.allclose(found.across, lack.T @ x / len(x))
    assert torch.allclose(found.square, x.T @ x / len(x))
    assert not any(module._forward_hooks for one in (model, other) for module in one.modules())


class Twice(nn.Module):
    """One layer, called twice, over positions."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.layer(x))


def test_a_layer_that_is_called_twice_sees_the_rows_of_both_calls_and_all_positions() -> None:
    torch.manual_seed(0)
    model = Twice()
    x = torch.randn(4, 5, 3)
    found = moments(model, copy.deepcopy(model), "layer", np.arange(3), [((x,), x)])
    with torch.no_grad():
        rows = torch.cat([x.reshape(-1, 3), model.layer(x).reshape(-1, 3)]).double()
    assert torch.allclose(found.inputs, rows.mean(0))
    assert found.lack.abs().max() == 0


def test_what_is_no_linear_layer_is_refused() -> None:
    model, _ = mlp()
    with pytest.raises(SurveyError) as error:
        linear_at(model, "1")
    assert error.value.module == "1"
