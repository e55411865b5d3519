"""Rows that the compiled kernels decode: those that torch decodes, to the bit."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from recprune.encodings.codes import Codes
from recprune.encodings.faces import PackedEmbedding, PackedLinear
from recprune.encodings.int2_rotated_rows import Int2RotatedRows
from recprune.encodings.int4_rotated_rows import Int4RotatedRows
from recprune.encodings.int4_rows import Int4Rows
from recprune.encodings.int8_rows import Int8Rows
from recprune.encodings.product_rows import ProductRows
from recprune.encodings.shared_values import SharedValues

ENCODINGS: list[tuple[Any, dict[str, int]]] = [
    (Int8Rows, {}),
    (Int4Rows, {}),
    (Int4RotatedRows, {}),
    (Int2RotatedRows, {}),
    *((ProductRows, {"m": m, "b": b, "w": w}) for m, b, w in ((1, 16, 256), (3, 8, 256), (4, 8, 16), (3, 16, 16))),
    *((SharedValues, {"b": b}) for b in range(1, 9)),
]


def coded(encoding: Any, width: int, options: dict[str, int], dtype: torch.dtype = torch.float32) -> Codes:
    table = torch.randn(300, width, generator=torch.Generator().manual_seed(width)).to(dtype)
    return encoding.encode(table, **options)


def plainly(monkeypatch: pytest.MonkeyPatch, codes: Codes) -> None:
    """From here on torch alone decodes these."""
    monkeypatch.setattr(type(codes), "quick_rows", lambda *_: None)


@pytest.mark.parametrize(("encoding", "options"), ENCODINGS)
@pytest.mark.parametrize("width", [1, 3, 7, 16, 33])
def test_rows_are_those_of_torch_to_the_bit(
    level: str, encoding: Any, options: dict[str, int], width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = coded(encoding, width, options)
    ids = torch.tensor([[3, 299], [0, 3]])
    quick = codes.rows(ids), codes.rows(ids.int()), codes.rows(ids[:, 1]), codes.rows(ids[:0]), codes.dense()
    assert (codes.quick_rows(torch.tensor([3]), 1) is None) == (level == "numpy")
    plainly(monkeypatch, codes)
    plain = codes.rows(ids), codes.rows(ids.int()), codes.rows(ids[:, 1]), codes.rows(ids[:0]), codes.dense()
    for one, other in zip(quick, plain, strict=True):
        assert torch.equal(one, other)
    assert quick[0].shape == (2, 2, width)
    assert quick[3].shape == (0, 2, width)


@pytest.mark.parametrize(("encoding", "options"), ENCODINGS)
@pytest.mark.parametrize("batch", [1, 5, 400])
def test_products_are_those_with_the_decoded_matrix(
    level: str, encoding: Any, options: dict[str, int], batch: int
) -> None:
    layer = PackedLinear(coded(encoding, 24, options), nn.Parameter(torch.randn(300)))
    x = torch.randn(batch, 24, generator=torch.Generator().manual_seed(0))
    plain = x @ layer.weight.T + layer.bias
    torch.testing.assert_close(layer(x), plain, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(layer.multiply(x), x @ layer.weight.T, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(layer.multiply(x.double()).float(), x @ layer.weight.T, rtol=1e-4, atol=1e-4)
    asked = x.clone().requires_grad_()
    layer(asked).square().sum().backward()
    wanted = x.clone().requires_grad_()
    (wanted @ layer.weight.T + layer.bias).square().sum().backward()
    torch.testing.assert_close(asked.grad, wanted.grad, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("encoding", [Int8Rows, Int4Rows, ProductRows, SharedValues])
def test_other_types_of_floats_are_decoded_by_torch(encoding: Any) -> None:
    codes = coded(encoding, 8, {}, torch.float64)
    assert codes.quick_rows(torch.tensor([1]), 1) is None
    assert codes.rows(torch.tensor([1, 2])).dtype is torch.float64
    assert codes.half().rows(torch.tensor([1, 2])).dtype is torch.float16


@pytest.mark.parametrize("encoding", [Int8Rows, Int4Rows, ProductRows, SharedValues])
@pytest.mark.parametrize("wrong", [-1, 300, 2**40])
def test_an_id_that_there_is_not_is_refused(level: str, encoding: Any, wrong: int) -> None:
    with pytest.raises(IndexError):
        coded(encoding, 8, {}).rows(torch.tensor([0, wrong]))


@pytest.mark.parametrize(("encoding", "options"), [*ENCODINGS[:5], ENCODINGS[-1]])
def test_codes_that_change_or_move_are_read_where_they_are(encoding: Any, options: dict[str, int]) -> None:
    codes, other = coded(encoding, 8, options), encoding.encode(torch.randn(300, 8), **options)
    ids = torch.arange(300)
    copied, kept = copy.deepcopy(codes), copy.deepcopy(codes)
    before, wanted, looked = codes.rows(ids), other.rows(ids), copy.deepcopy(codes)
    for one in (codes, copied, kept, looked):
        assert torch.equal(one.rows(ids), before)
    codes.load_state_dict(other.state_dict())
    assert torch.equal(codes.rows(ids), wanted)
    assert torch.equal(copied.rows(ids), before)
    copied.load_state_dict(other.state_dict(), assign=True)
    assert torch.equal(copied.rows(ids), wanted)
    kept.share_memory()
    assert torch.equal(kept.rows(ids), before)
    kept.codes.copy_(other.codes)
    kept.load_state_dict(other.state_dict())
    assert torch.equal(kept.rows(ids), wanted)
    again = codes.double().float()
    assert torch.equal(again.rows(ids), wanted)


@pytest.mark.parametrize(("encoding", "options"), [*ENCODINGS[:5], ENCODINGS[-1]])
def test_a_small_matrix_is_decoded_once_and_anew_when_codes_change(encoding: Any, options: dict[str, int]) -> None:
    codes, other = coded(encoding, 8, options), encoding.encode(torch.randn(300, 8), **options)
    with torch.inference_mode():
        first = codes.kept()
    assert first is not None
    assert not first.is_inference()
    assert codes.kept() is first
    assert torch.equal(first, codes.dense())
    copied = copy.deepcopy(codes)
    codes.load_state_dict(other.state_dict())
    assert torch.equal(codes.kept(), other.dense())
    assert torch.equal(copied.kept(), first)
    assert copied.double().kept().dtype is torch.float64
    with torch.inference_mode():
        assert encoding.encode(torch.randn(300, 8), **options).kept() is None
    with Followed():
        assert other.kept() is None


def test_a_large_matrix_is_decoded_every_time() -> None:
    codes = Int8Rows.encode(torch.randn(300, 1000))
    assert codes.kept() is None


class Followed(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


def test_whoever_follows_the_operations_sees_those_of_torch() -> None:
    codes, ids = coded(Int4Rows, 8, {}), torch.tensor([1, 2])
    wanted = codes.rows(ids)
    with Followed() as followed:
        assert torch.equal(codes.rows(ids), wanted)
    assert "aten.index_select.default" in followed.seen
    with FakeTensorMode(allow_non_fake_inputs=True):
        assert codes.rows(ids).shape == (2, 8)
    assert torch.equal(torch.func.vmap(codes.rows)(ids[:, None])[:, 0], wanted)
    module = PackedEmbedding(codes, None)
    traced = torch.jit.trace(module, (ids,))
    assert torch.equal(traced(torch.tensor([5, 7, 9])), codes.rows(torch.tensor([5, 7, 9])))
    exported = torch.export.export(module, (ids,)).module()
    assert torch.equal(exported(torch.tensor([5, 7])), codes.rows(torch.tensor([5, 7])))


class Marked(Tensor):
    """A tensor of somebody else's."""


def test_tensors_of_another_class_are_left_to_torch() -> None:
    codes, ids = coded(Int4Rows, 8, {}), torch.tensor([1, 2])
    found = codes.rows(ids.as_subclass(Marked))
    assert isinstance(found, Marked)
    assert np.array_equal(np.asarray(found), codes.rows(ids).numpy())


def test_codes_that_do_not_lie_in_one_piece_are_read_by_torch() -> None:
    codes, ids = coded(Int8Rows, 8, {}), torch.tensor([1, 2])
    wanted = codes.rows(ids)
    codes.codes = torch.cat([codes.codes, codes.codes], 1)[:, :8]
    assert not codes.codes.is_contiguous()
    assert codes.quick_rows(ids, 2) is None
    assert torch.equal(codes.rows(ids), wanted)
    room = torch.zeros(2 * len(codes.get_buffer("scale")) + 1, dtype=torch.uint8)
    room[1:] = codes.get_buffer("scale").flatten().view(torch.uint8)
    codes.codes = codes.codes.contiguous()
    assert codes.quick_rows(ids, 2) is not None
    scale = np.frombuffer(room.numpy().data, dtype=np.uint16, offset=1, count=300)  # at an odd address
    codes.scale = torch.from_numpy(scale).view(torch.bfloat16)[:, None]
    assert codes.quick_rows(ids, 2) is None
    assert torch.equal(codes.rows(ids), wanted)


def test_a_compiler_sees_one_graph() -> None:
    model = nn.Sequential(PackedEmbedding(coded(Int4Rows, 8, {}), None), PackedLinear(coded(Int8Rows, 8, {}), None))
    ids = torch.tensor([1, 2])
    found = torch.compile(model, backend="eager", fullgraph=True)(ids)
    torch.testing.assert_close(found, model(ids))


@pytest.mark.parametrize(("encoding", "options"), [*ENCODINGS[:5], ENCODINGS[-1]])
def test_codes_that_were_made_in_inference_mode_are_read_too(encoding: Any, options: dict[str, int]) -> None:
    with torch.inference_mode():
        codes, other = coded(encoding, 8, options), encoding.encode(torch.randn(300, 8), **options)
        ids = torch.arange(300)
        codes.rows(ids)
        codes.load_state_dict(other.state_dict())
        assert torch.equal(codes.rows(ids), other.rows(ids))
    assert torch.equal(codes.rows(ids), other.rows(ids))
