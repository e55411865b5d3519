"""Of several outputs one is kept, and what the others alone need is gone."""

import importlib
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from recprune.errors import SurgeryError
from recprune.rewrites.one_output import one_output

sys.path.append(str(Path(__file__).parents[1]))
zoo = importlib.import_module("test_zoo")


def numbers(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("which", ["click", "buy"])
def test_one_task_is_kept_without_the_gate_and_head_of_the_other(which: str):
    model, example = zoo.made("mmoe")
    model.eval()
    small = one_output(model, example, which)
    more = zoo.longer(example, 9)
    with torch.no_grad():
        torch.testing.assert_close(small(*more), model(*more)[which])
    gone = sum(numbers(part) for part in (model.gates[0], model.heads[0]))
    assert numbers(small) == numbers(model) - gone


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x + 1, x * 2


def test_a_place_of_a_tuple_is_kept():
    x = torch.rand(4)
    assert torch.equal(one_output(Pair(), (torch.rand(3),), 1)(x), x * 2)


@pytest.mark.parametrize("which", [2, -1, "click"])
def test_an_output_that_there_is_not_is_refused(which: object):
    with pytest.raises(SurgeryError, match="there is: 0, 1"):
        one_output(Pair(), (torch.rand(3),), which)
    with pytest.raises(SurgeryError, match="one tensor"):
        one_output(nn.Linear(2, 1), (torch.rand(3, 2),), which)
