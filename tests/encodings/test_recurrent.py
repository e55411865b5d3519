"""GRU, LSTM and RNN whose weights are stored as codes answer as torch's own with the decoded weights."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import recprune
from recprune.encodings.recurrent import PackedMatrix, PackedRecurrent
from recprune.errors import SurgeryError
from recprune.evaluation.size import size_of
from recprune.models.gru4rec import GRU4Rec
from recprune.packing import encodings_of, pack, packable, storing, unpack
from recprune.training.rounded import rounded

KINDS = [
    (nn.GRU, {}),
    (nn.GRU, {"bias": False, "batch_first": True, "num_layers": 2}),
    (nn.LSTM, {"num_layers": 2, "bidirectional": True}),
    (nn.LSTM, {"proj_size": 5, "batch_first": True, "bidirectional": True, "num_layers": 2}),
    (nn.RNN, {"nonlinearity": "relu"}),
    (nn.RNN, {"bidirectional": True, "batch_first": True}),
]
INPUTS = {
    "batch": lambda: torch.randn(3, 4, 8),
    "alone": lambda: torch.randn(4, 8),
    "ragged": lambda: pack_padded_sequence(torch.randn(4, 3, 8), torch.tensor([2, 4, 1]), enforce_sorted=False),
    "sorted": lambda: pack_padded_sequence(torch.randn(4, 3, 8), torch.tensor([4, 2, 1])),
}


def flat(found):
    if isinstance(found, PackedSequence):
        return [found.data, found.batch_sizes]
    return [found] if isinstance(found, torch.Tensor) else [one for part in found for one in flat(part)]


@pytest.mark.parametrize("asked", INPUTS)
@pytest.mark.parametrize(("kind", "options"), KINDS, ids=lambda one: getattr(one, "__name__", None))
@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_it_answers_as_torch_does(kind, options, asked):
    torch.manual_seed(0)
    model = nn.ModuleDict({"read": kind(8, 16, **options)})
    stored = storing(model, "int8_rows")
    assert sorted(stored) == sorted(name for name, tensor in model.named_parameters() if tensor.dim() == 2)
    packed = pack(model, stored)
    assert encodings_of(packed) == stored
    plain, x = unpack(packed), INPUTS[asked]()
    assert type(plain["read"]) is kind
    assert size_of(packed)[:2] == size_of(model)[:2]
    assert size_of(packed)[2] < size_of(model)[2] / 2
    for begin in ((), (plain["read"](x)[1],)):
        told, wanted = packed["read"](x, *begin), plain["read"](x, *begin)
        for one, other in zip(flat(told), flat(wanted), strict=True):
            assert one.shape == other.shape
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_some_of_its_weights_may_stay_as_they_are():
    model = nn.ModuleDict({"read": nn.GRU(8, 16)})
    before = copy.deepcopy(model.state_dict())
    packed = pack(model, {"read.weight_hh_l0": "int4_rows"})
    assert isinstance(packed["read"].weight_hh_l0, PackedMatrix)
    assert torch.equal(packed["read"].weight_ih_l0, model["read"].weight_ih_l0)
    assert {"read.weight_ih_l0", "read.bias_hh_l0", "read.weight_hh_l0.stored.codes"} <= packed.state_dict().keys()
    assert packable(packed) == {"read.weight_ih_l0": ""}
    both = pack(packed, {"read.weight_ih_l0": "int8_rows"})
    assert encodings_of(both) == {"read.weight_ih_l0": "int8_rows", "read.weight_hh_l0": "int4_rows"}
    assert encodings_of(packed) == {"read.weight_hh_l0": "int4_rows"}
    with pytest.raises(SurgeryError, match="packed already"):
        pack(packed, {"read.weight_hh_l0": "int4_rows"})
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_biases_and_other_recurrent_modules_are_refused():
    with pytest.raises(SurgeryError, match="'bias_ih_l0' of a GRU"):
        pack(nn.ModuleDict({"read": nn.GRU(8, 16)}), {"read.bias_ih_l0": "int8_rows"})

    class Other(nn.GRU):
        def forward(self, *args):
            return super().forward(*args)

    with pytest.raises(SurgeryError, match="forward of its own"):
        pack(nn.ModuleDict({"read": Other(8, 16)}), {"read.weight_ih_l0": "int8_rows"})


@pytest.fixture
def gru4rec():
    torch.manual_seed(0)
    return GRU4Rec(50, length=10, dim=16, hidden=24, layers=2).eval()


@pytest.mark.parametrize("encoding", ["int8_rows", "int4_rows", "int4_rotated_rows", "bf16"])
def test_training_sees_what_packing_gives(gru4rec, encoding):
    stored, x = storing(gru4rec, encoding), torch.randint(1, 50, (4, 10))
    assert "gru.weight_hh_l1" in stored
    names = list(gru4rec.state_dict())
    with rounded(gru4rec, stored):
        gru4rec.train()(x).sum().backward()
        assert all(bool(p.grad.any()) for p in gru4rec.parameters())
        seen = gru4rec.eval()(x)
    assert list(gru4rec.state_dict()) == names
    assert type(gru4rec.gru) is nn.GRU
    told = pack(gru4rec, stored, (x,))(x)
    torch.testing.assert_close(seen, told, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(gru4rec(x), told, rtol=1e-5, atol=1e-6)  # and those are not the floats


def test_it_comes_back_from_a_folder_and_is_opened_again(gru4rec, tmp_path):
    packed, x = pack(gru4rec, storing(gru4rec, "int4_rows")), torch.randint(1, 50, (4, 10))
    recprune.save(tmp_path / "model", packed)
    found = recprune.load(tmp_path / "model").model
    assert isinstance(found.gru, PackedRecurrent)
    assert torch.equal(found(x), packed(x))
    assert (found.gru.input_size, found.gru.hidden_size) == (16, 24)
    torch.testing.assert_close(unpack(found)(x), packed(x), rtol=1e-5, atol=1e-6)


def test_it_is_exported_and_takes_batches_of_any_length(gru4rec):
    packed = pack(gru4rec, storing(gru4rec, "int4_rows"))
    first, other = torch.randint(1, 50, (4, 10)), torch.randint(1, 50, (7, 10))
    rows = ({0: torch.export.Dim("rows", min=2, max=64)},)
    program = torch.export.export(packed, (first,), dynamic_shapes=rows)
    with torch.no_grad():
        torch.testing.assert_close(program.module()(other), packed(other), rtol=1e-5, atol=1e-6)


def test_parts_that_do_not_fit_each_other_are_refused(gru4rec):
    packed = pack(gru4rec, storing(gru4rec, "int8_rows"))
    packed.gru.check()
    other = pack(GRU4Rec(50, length=10, dim=16, hidden=20, layers=2), {"gru.weight_hh_l1": "int8_rows"})
    packed.gru.weight_hh_l1.stored = other.gru.weight_hh_l1.stored
    with pytest.raises(SurgeryError, match="weight_hh_l1"):
        packed.gru.check()
