"""Convolutions in groups and transposed: attributes follow, what cannot be cut stays with a word."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.surgery import apply
from recprune.tracing.trace import survey


def towers(middle: nn.Module, channels: int, made: int, dims: int = 1) -> nn.Module:
    first, last = (nn.Conv1d, nn.Conv1d) if dims == 1 else (nn.Conv2d, nn.Conv2d)
    return nn.Sequential(first(3, channels, 1), nn.ReLU(), middle, nn.ReLU(), last(made, 2, 1)).eval()


def halved(model: nn.Module, x: Tensor, *names: str) -> nn.Module:
    found = survey(model, (x,))
    kept = {name: np.arange(0, found.site(name).size, 2) for name in names}
    return apply(model, Plan(found, kept, Budget(0.0)), (x,))


def test_whole_groups_leave_and_the_module_says_so():
    model = towers(nn.Conv1d(8, 12, 3, padding=1, groups=4), 8, 12)
    small = halved(model, torch.randn(3, 3, 6), "2.head")
    conv = small[2]
    assert (conv.groups, conv.in_channels, conv.out_channels, tuple(conv.weight.shape)) == (2, 4, 6, (6, 2, 3))
    assert torch.equal(conv.weight, model[2].weight[[0, 1, 2, 6, 7, 8]])


def test_channels_and_filters_leave_every_group_alike():
    model = towers(nn.Conv1d(8, 12, 3, padding=1, groups=2), 8, 12)
    small = halved(model, torch.randn(3, 3, 6), "2.filter", "2.out.inside.filter")
    conv = small[2]
    assert (conv.groups, conv.in_channels, conv.out_channels) == (2, 4, 6)
    assert small[0].out_channels == 4


@pytest.mark.parametrize("times", [1, 3])
def test_depthwise_filters_leave_with_their_channel(times: int):
    model = towers(nn.Conv2d(6, 6 * times, 3, padding=1, groups=6), 6, 6 * times, dims=2)
    small = halved(model, torch.randn(3, 3, 5, 5), "0.filter")
    conv = small[2]
    assert (conv.groups, conv.in_channels, conv.out_channels) == (3, 3, 3 * times)


def test_a_transposed_convolution_sums_channels_and_makes_filters():
    model = towers(nn.ConvTranspose1d(8, 5, 3, stride=2), 8, 5)
    small = halved(model, torch.randn(3, 3, 6), "0.filter", "2.filter")
    conv = small[2]
    assert (conv.in_channels, conv.out_channels, tuple(conv.weight.shape)) == (4, 3, (4, 3, 3))


def test_a_transposed_convolution_in_groups_stays_whole_with_the_reason():
    found = survey(towers(nn.ConvTranspose1d(8, 6, 2, groups=2), 8, 6), (torch.randn(3, 3, 6),))
    assert "transposed convolution in groups" in found.whole["0.weight:0"]
    assert "transposed convolution in groups" in found.whole["2.weight:1"]


def test_groups_written_into_forward_as_a_number_stay():
    class Called(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.weight, self.last = (
                nn.Conv1d(3, 8, 1),
                nn.Parameter(torch.randn(8, 2, 3)),
                nn.Conv1d(8, 2, 1),
            )

        def forward(self, x: Tensor) -> Tensor:
            return self.last(torch.conv1d(self.first(x), self.weight, groups=4))

    found = survey(Called(), (torch.randn(3, 3, 6),))
    assert "written into forward" in found.whole["forward.head"]
    assert {s.size for s in found.sites} == {2}
