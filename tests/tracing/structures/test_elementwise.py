"""Functions of single numbers: units leave through all of them, whether they keep zeros or not."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.surgery import apply, masked
from recprune.tracing.trace import survey

ONE: dict[str, Callable[[Tensor], Tensor]] = {
    **{f.__name__: f for f in (torch.relu, torch.tanh, torch.sigmoid, torch.exp, torch.asinh, torch.frac, torch.cos)},
    **{f.__name__: f for f in (F.gelu, F.softplus, F.softsign, F.hardshrink, F.softshrink, F.elu, F.logsigmoid)},
    "log_": lambda x: x.abs().add_(1.0).log_(),
    "acos": lambda x: torch.acos(torch.tanh(x)),
    "atanh": lambda x: torch.atanh(torch.tanh(x) / 2),
    "nan_to_num": lambda x: torch.nan_to_num(x / x.abs()),
}
TWO: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    **{f.__name__: f for f in (torch.add, torch.sub, torch.mul, torch.atan2, torch.logaddexp, torch.maximum)},
    "max": torch.max,
    "pow": lambda x, y: torch.pow(x.abs() + 0.5, y),
    "where": lambda x, y: torch.where(x > y, x, y * 2),
    "lerp": lambda x, y: torch.lerp(x, y, 0.3),
}


class Through(nn.Module):
    """Two layers through a function, summed with one that is no weight, and into a layer."""

    def __init__(self, function: Callable[..., Tensor], inputs: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(3, 6) for _ in range(inputs))
        self.beside, self.out, self.function = nn.Linear(3, 6), nn.Linear(6, 2), function

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.function(*(layer(x) for layer in self.layers))
        both = (hidden.unsqueeze(1) @ torch.sigmoid(self.beside(x)).unsqueeze(2)).squeeze(2)
        return torch.cat([self.out(hidden), both], 1)


def leaves_exactly(model: nn.Module, *, zeros: bool) -> None:
    """Sites are found and exact; a product of two activations keeps the units unless one of them has zeros."""
    example = (torch.randn(5, 3),)
    found = survey(model.eval(), example)
    assert bool(found.sites) is zeros, dict(found.whole)
    for site in found.sites:
        plan = Plan(found, {site.name: np.array([0, 3])}, Budget(0.0))
        small, x = apply(model, plan, example), torch.randn(17, 3)
        torch.testing.assert_close(small(x), masked(model, plan)(x), rtol=1e-5, atol=1e-5)


ZEROS = {"relu", "tanh", "asinh", "frac", "gelu", "softsign", "hardshrink", "softshrink", "elu", "atanh"}
ZEROS |= {"add", "sub", "mul", "atan2", "maximum", "max"}


@pytest.mark.parametrize("name", ONE)
def test_functions_of_one_number(name: str):
    torch.manual_seed(0)
    leaves_exactly(Through(ONE[name], 1), zeros=name in ZEROS)


@pytest.mark.parametrize("name", TWO)
def test_functions_of_two_numbers(name: str):
    torch.manual_seed(0)
    leaves_exactly(Through(TWO[name], 2), zeros=name in ZEROS)
