"""Click models whose numbers are as training leaves them, and what they are asked with."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from recprune.data.dataset import Split
from recprune.evaluation.inputs import row_inputs
from recprune.models.build import build
from recprune.runtimes.asking import Columns, arrays
from recprune.testing import tiny_clicks, tiny_mixed


def make(name: str, split: Split, **options: object) -> nn.Module:
    model = build(name, split, **options)
    torch.manual_seed(0)
    for key, tensor in model.state_dict().items():
        if "running_var" in key:
            tensor.uniform_(0.5, 2)
        elif tensor.is_floating_point() and "number_scale" not in key:
            tensor.normal_(std=0.3)
    return model.eval()


@pytest.fixture(scope="session")
def trained() -> Callable[..., nn.Module]:
    """trained(name, split, **options): a model with drawn weights and running means, in evaluation mode."""
    return make


@pytest.fixture(scope="session")
def asked() -> Callable[..., Columns]:
    """asked(model, split): rows of train."""
    return lambda model, split, rows=60: arrays(row_inputs(model, split.train, slice(0, rows)))


@pytest.fixture(scope="session")
def clicks() -> Split:
    return tiny_clicks()


@pytest.fixture(scope="session")
def mixed() -> Split:
    """Categorical, numeric (some missing) and multi-valued fields."""
    return tiny_mixed()
