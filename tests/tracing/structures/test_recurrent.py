"""Recurrent layers of every kind, several layers and both ways: hidden units leave all of them at once."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.surgery import apply
from recprune.tracing.trace import survey


class Read(nn.Module):
    """Read by its outputs and by its last state; `packed` to lengths that differ, `begin` with a state of its own."""

    def __init__(self, layer: nn.RNNBase, *, packed: bool = False, begin: bool = False) -> None:
        super().__init__()
        self.into, self.layer, self.packed = nn.Linear(3, 5), layer, packed
        ways = 2 if layer.bidirectional else 1
        wide = layer.proj_size or layer.hidden_size
        self.out = nn.Linear(wide * (ways + 1), 2)
        self.state = nn.Parameter(torch.randn(layer.num_layers * ways, 1, wide)) if begin else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.into(x)
        y = y if self.layer.batch_first else y.transpose(0, 1)
        if self.packed:
            y = pack_padded_sequence(
                y, torch.tensor([4, 3, 1])[: len(x)].repeat(-(-len(x) // 3))[: len(x)], True, False
            )
        steps, state = self.layer(y) if self.state is None else self.layer(y, self.state.expand(-1, len(x), -1))
        if self.packed:
            steps, _ = pad_packed_sequence(steps, True)
        steps = steps if self.layer.batch_first else steps.transpose(0, 1)
        last = state[0] if isinstance(state, tuple) else state
        return self.out(torch.cat([steps.sum(1), last[-1]], 1))


def halves(model: nn.Module) -> list[str]:
    example = (torch.randn(3, 4, 3),)
    found = survey(model.eval(), example)
    for site in found.sites:
        small = apply(model, Plan(found, {site.name: np.arange(0, site.size, 2)}, Budget(0.0)), example)
        hidden = small.layer.weight_hh_l0.shape[1]
        assert small.layer.hidden_size == hidden
        assert small.layer.input_size == small.layer.weight_ih_l0.shape[1]
        assert small(torch.randn(6, 4, 3)).shape == (6, 2)
    return [site.name for site in found.sites]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM, nn.RNN])
def test_units_that_go_in_and_hidden_units_leave(kind: type[nn.RNNBase], layers: int, both: bool, bias: bool):
    torch.manual_seed(0)
    layer = kind(5, 4, layers, bias=bias, batch_first=both, bidirectional=both)
    assert halves(Read(layer)) == ["into.neuron", "layer.weight_ih_l0.neuron"]


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
def test_packed_sequences_are_read_alike(kind: type[nn.RNNBase]):
    layer = kind(5, 4, 2, batch_first=True, bidirectional=True)
    assert halves(Read(layer, packed=True)) == ["into.neuron", "layer.weight_ih_l0.neuron"]


def test_a_plain_layer_with_relu():
    assert len(halves(Read(nn.RNN(5, 4, nonlinearity="relu", batch_first=True)))) == 2


def test_hidden_units_that_begin_as_parameters_of_their_own_leave_with_them():
    model = Read(nn.GRU(5, 4, batch_first=True), begin=True)
    assert halves(model) == ["into.neuron", "state.neuron"]
    cuts = survey(model.eval(), (torch.randn(3, 4, 3),)).site("state.neuron").cuts
    assert {"state", "layer.weight_hh_l0"} <= {cut.tensor for cut in cuts}


@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_hidden_units_that_are_projected_stay_with_the_reason():
    found = survey(Read(nn.LSTM(5, 4, proj_size=3, batch_first=True)).eval(), (torch.randn(3, 4, 3),))
    assert "not known" in found.whole["layer.weight_ih_l0:0"]
