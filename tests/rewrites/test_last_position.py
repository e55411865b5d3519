"""Where only the last position is read, the last layers compute that one alone."""

import importlib
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from recprune.errors import SurgeryError
from recprune.rewrites._graph import captured, finished
from recprune.rewrites.last_position import last_position

sys.path.append(str(Path(__file__).parents[1]))
zoo = importlib.import_module("test_zoo")


def flops(model: nn.Module, example: tuple[Tensor, ...]) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(*example)
    return counter.get_total_flops()


@pytest.mark.parametrize("name", ["sasrec_plain", "sasrec_fused", "sasrec_untied", "sasrec_mha"])
def test_the_last_block_is_asked_for_one_position(name: str):
    model, example = zoo.made(name)
    model.eval()
    small = last_position(model, example)
    longer = zoo.longer(example, 11)
    with torch.no_grad():
        torch.testing.assert_close(small(*longer), model(*longer), rtol=1e-4, atol=1e-5)
    assert flops(small, longer) < flops(finished(captured(model, example), model), longer)


class All(nn.Module):
    """What is said after every position; nobody looks ahead."""

    def __init__(self, causal: bool = True) -> None:
        super().__init__()
        self.item, self.causal = nn.Embedding(9, 8), causal
        self.query, self.key, self.value, self.out = (nn.Linear(8, 8) for _ in range(4))

    def forward(self, sequence: Tensor) -> Tensor:
        x = self.item(sequence)
        q, k, v = (f(x).unflatten(2, (2, 4)).transpose(1, 2) for f in (self.query, self.key, self.value))
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return torch.softmax(self.out(mixed.transpose(1, 2).flatten(2)), -1)


@pytest.mark.parametrize("causal", [True, False])
def test_of_a_model_of_all_positions_the_last_one_is_given(causal: bool):
    model, example = All(causal).eval(), (torch.randint(9, (3, 6)),)
    small = last_position(model, example)
    more = (torch.randint(9, (7, 6)),)
    with torch.no_grad():
        torch.testing.assert_close(small(*more), model(*more)[:, -1], rtol=1e-5, atol=1e-6)
    assert flops(small, more) < flops(model, more)


def test_a_model_without_a_last_position_is_refused():
    with pytest.raises(SurgeryError, match="reads no last position"):
        last_position(nn.Linear(3, 2), (torch.rand(3, 3),))


def test_what_treats_positions_unlike_needs_them_all():
    class Mixed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.cumsum(1)[:, -1]

    small = last_position(Mixed(), (torch.rand(3, 5, 2),))
    x = torch.rand(4, 5, 2)
    torch.testing.assert_close(small(x), x.sum(1))
