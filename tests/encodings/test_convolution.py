"""Convolutions whose filters are stored as codes answer as torch's own with the decoded filters."""

import pytest
import torch
from torch import nn

import recprune
from recprune.encodings.codes import Codes
from recprune.encodings.convolution import PackedConvolution
from recprune.encodings.int8_rows import Int8Rows
from recprune.encodings.spelled import spelled
from recprune.errors import SurgeryError
from recprune.evaluation.size import size_of
from recprune.models.caser import Caser
from recprune.models.nextitnet import NextItNet
from recprune.packing import encodings_of, pack, packable, storing, unpack
from recprune.training.rounded import rounded

ENCODINGS = [
    *("int8_rows", "int4_rows", "int4_rotated_rows", "int2_rotated_rows", "bf16", "fp16", "top_entries(k=3)"),
    *("top_entries(k=3,bits=8)", "sparse_rows(entries=90)", "item_bytes", "pair_bits", "pair_gaps"),
]
KINDS = [
    (nn.Conv1d(6, 12, 3, dilation=2, padding=1), (2, 6, 9)),
    (nn.Conv1d(24, 12, 2, stride=2, groups=3, bias=False), (2, 24, 9)),
    (nn.Conv2d(4, 8, (2, 3), padding="same", padding_mode="circular"), (2, 4, 5, 6)),
    (nn.Conv3d(3, 8, 2), (2, 3, 3, 4, 5)),
]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(("plain", "shape"), KINDS, ids=lambda one: type(one).__name__)
def test_it_answers_as_torch_does(plain, shape, encoding):
    model, x = nn.Sequential(plain, nn.ReLU()), torch.randn(shape)
    packed = pack(model, {"0.weight": encoding}, (x,))
    assert encodings_of(packed)["0.weight"].startswith(encoding.partition("(")[0])
    decoded = unpack(packed)
    assert type(decoded[0]) is type(plain)
    assert decoded[0].weight.shape == plain.weight.shape
    torch.testing.assert_close(packed(x), decoded(x), rtol=1e-5, atol=1e-6)
    for name in ("kernel_size", "in_channels", "out_channels", "groups", "padding", "padding_mode"):
        assert getattr(packed[0], name) == getattr(plain, name)
    assert (packed[0].bias is None) == (plain.bias is None)
    assert size_of(packed)[2] < size_of(model)[2]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_tensor_of_more_axes_is_stored_as_its_rows_laid_flat(encoding):
    tensor, how = torch.randn(10, 3, 2, 4, generator=torch.Generator().manual_seed(0)), spelled(encoding)
    stored, flat = how.encode(tensor), how.encode(tensor.flatten(1))
    assert stored.shape == flat.shape == (10, 24)
    assert stored.dense().shape == tensor.shape
    assert torch.equal(stored.dense().flatten(1), flat.dense())
    torch.testing.assert_close(stored.rows(torch.tensor([7, 0])), flat.dense()[[7, 0]])
    assert how.stored_bytes(tensor.shape) == how.stored_bytes((10, 24))
    assert how.stored_entries(tensor.shape) == how.stored_entries((10, 24)) == stored.entries
    value, _ = how.nearest(tensor)
    assert torch.equal(value.flatten(1), how.nearest(tensor.flatten(1))[0])
    again = type(stored).rebuilt(dict(stored.named_buffers()))
    assert isinstance(again, Codes)
    assert torch.equal(again.dense(), stored.dense())


@pytest.fixture(params=[Caser, NextItNet])
def model(request):
    torch.manual_seed(0)
    return request.param(300, length=8, dim=16).eval()


def test_training_sees_what_packing_gives(model):
    stored, x = storing(model, "int4_rows"), torch.randint(1, 300, (4, 8))
    assert any(model.get_parameter(name).dim() > 2 for name in stored)
    assert not any(packable(model).values())
    with rounded(model, stored):
        model.train()(x).sum().backward()
        seen = model.eval()(x)
    told = pack(model, stored, (x,))(x)
    torch.testing.assert_close(seen, told, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(model(x), told, rtol=1e-5, atol=1e-6)


def test_it_comes_back_from_a_folder(model, tmp_path):
    packed, x = pack(model, storing(model, "int8_rows")), torch.randint(1, 300, (4, 8))
    recprune.save(tmp_path / "model", packed)
    found = recprune.load(tmp_path / "model").model
    assert any(isinstance(module, PackedConvolution) for module in found.modules())
    assert torch.equal(found(x), packed(x))


def test_it_is_exported_and_takes_batches_of_any_length(model):
    packed = pack(model, storing(model, "int4_rows"))
    first, other = torch.randint(1, 300, (4, 8)), torch.randint(1, 300, (7, 8))
    rows = ({0: torch.export.Dim("rows", min=2, max=64)},)
    program = torch.export.export(packed, (first,), dynamic_shapes=rows)
    with torch.no_grad():
        torch.testing.assert_close(program.module()(other), packed(other), rtol=1e-5, atol=1e-6)


def test_filters_that_do_not_fit_are_refused():
    packed = pack(nn.Sequential(nn.Conv1d(6, 12, 3), nn.ReLU()), {"0.weight": "int8_rows"})[0]
    packed.check()
    for shape, said in (((12, 6, 3, 1), "4 axes where a Conv1d has 3"), ((10, 6, 3), r"\(12,\) beside 10 packed")):
        packed.stored = Int8Rows.encode(torch.randn(shape))
        with pytest.raises(SurgeryError, match=said):
            packed.check()
