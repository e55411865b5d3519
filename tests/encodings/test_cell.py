"""GRUCell, LSTMCell and RNNCell whose weights are stored as codes answer as torch's own with the decoded weights."""

import pytest
import torch
from torch import nn

import recprune
from recprune.encodings.cell import PackedCell
from recprune.encodings.recurrent import PackedMatrix
from recprune.errors import SurgeryError
from recprune.evaluation.size import size_of
from recprune.packing import encodings_of, pack, storing, unpack
from recprune.training.rounded import rounded

KINDS = [
    (nn.GRUCell, {}),
    (nn.GRUCell, {"bias": False}),
    (nn.LSTMCell, {}),
    (nn.RNNCell, {"nonlinearity": "relu"}),
    (nn.RNNCell, {"bias": False}),
]


class Clicks(nn.Module):
    """Reads a session step by step."""

    columns = ("sequence",)

    def __init__(self, kind=nn.GRUCell, **options):
        super().__init__()
        self.item, self.cell, self.out = nn.Embedding(60, 8), kind(8, 16, **options), nn.Linear(16, 60)

    def forward(self, sequence):
        state = None
        for place in range(sequence.shape[1]):
            state = self.cell(self.item(sequence[:, place]), state)
        return self.out(state[0] if isinstance(state, tuple) else state)


@pytest.mark.parametrize(("kind", "options"), KINDS, ids=lambda one: getattr(one, "__name__", None))
@pytest.mark.parametrize("alone", [False, True])
def test_it_steps_as_torch_does(kind, options, alone):
    torch.manual_seed(0)
    model = nn.ModuleDict({"step": kind(8, 16, **options)})
    packed = pack(model, storing(model, "int8_rows"))
    assert encodings_of(packed) == {"step.weight_ih": "int8_rows", "step.weight_hh": "int8_rows"}
    plain, x = unpack(packed), torch.randn(8) if alone else torch.randn(3, 8)
    assert type(plain["step"]) is kind
    assert getattr(plain["step"], "nonlinearity", None) == getattr(model["step"], "nonlinearity", None)
    assert size_of(packed)[:2] == size_of(model)[:2]
    assert size_of(packed)[2] < size_of(model)[2]
    for begin in ((), (plain["step"](x),)):
        told, wanted = packed["step"](x, *begin), plain["step"](x, *begin)
        both = zip(told, wanted, strict=True) if kind is nn.LSTMCell else [(told, wanted)]
        for one, other in both:
            assert one.shape == other.shape
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_one_of_its_weights_may_stay_as_it_is():
    model = Clicks()
    packed = pack(model, {"cell.weight_hh": "int4_rows"})
    assert isinstance(packed.cell, PackedCell)
    assert isinstance(packed.cell.weight_hh, PackedMatrix)
    assert torch.equal(packed.cell.weight_ih, model.cell.weight_ih)
    both = pack(packed, {"cell.weight_ih": "int8_rows"})
    assert encodings_of(both) == {"cell.weight_ih": "int8_rows", "cell.weight_hh": "int4_rows"}
    with pytest.raises(SurgeryError, match="'bias_ih' of a GRUCell"):
        pack(model, {"cell.bias_ih": "int8_rows"})
    with pytest.raises(SurgeryError, match="packed already"):
        pack(both, {"cell.weight_ih": "int8_rows"})


@pytest.mark.parametrize(("kind", "options"), KINDS, ids=lambda one: getattr(one, "__name__", None))
def test_cut_and_packed_it_is_kept_as_an_artifact(kind, options, tmp_path):
    torch.manual_seed(0)
    model, sequence = Clicks(kind, **options), torch.randint(60, (4, 5))
    survey = recprune.survey(model, (sequence,))
    plan = recprune.choose(
        survey,
        {site.name: torch.rand(site.size) for site in survey.sites},
        recprune.Budget(0.4, kinds=frozenset({recprune.Kind.NEURON, recprune.Kind.DIM})),
    )
    small = recprune.apply(model, plan, (sequence,))
    packed = pack(small, storing(small, "int8_rows"), (sequence,))
    recprune.save(tmp_path / "kept", packed)
    found = recprune.load(tmp_path / "kept", Clicks(kind, **options)).model
    assert torch.equal(found(sequence), packed(sequence))


def test_it_acts_in_training_as_it_is_stored():
    model, sequence = Clicks().train(), torch.randint(60, (4, 5))
    chosen = {"cell.weight_ih": "int4_rows", "cell.weight_hh": "int2_rotated_rows"}
    packed = pack(model, chosen)
    with rounded(model, chosen):
        torch.testing.assert_close(model(sequence), packed(sequence), rtol=1e-4, atol=1e-5)


def test_weights_that_do_not_fit_are_refused():
    packed = pack(Clicks(), {"cell.weight_hh": "int8_rows"})
    packed.cell.bias_hh = nn.Parameter(torch.zeros(5))
    with pytest.raises(SurgeryError, match="'bias_hh' is"):
        packed.cell.check()
