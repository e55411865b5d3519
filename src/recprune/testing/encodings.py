"""The contract of an encoding of a matrix."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from recprune.encodings.codes import Codes
from recprune.encodings.faces import PackedEmbedding, PackedLinear
from recprune.encodings.spelled import name_of
from recprune.errors import BudgetError, SurgeryError
from recprune.packing import pack

__all__ = ["check_encoding"]

SHAPES = ((1, 1), (5, 7), (12, 16), (3, 300), (700, 8))


def check_encoding(module: ModuleType) -> None:
    """Assert that an encoding keeps the contract. Its first public name is its class; there are two sorts.

    Codes of any matrix, a subclass of `recprune.encodings.codes.Codes`: the same matrix gives the same codes; no row is
    further from what it stands for than `bound` says, and a row of zeros comes back as zeros; looked-up rows and
    products are those of the decoded matrix; nothing is learned; a loaded state and `rebuilt` give the same to the bit,
    and parts that do not fit are refused; `stored_bytes` and `stored_entries` tell what is stored, or the
    most of it where the class `varies`, and exactly by the options of the parts; a type given by `.half()` or
    `.double()` is that of what is decoded; `pack` takes it where it is smaller and refuses it elsewhere.

    Entries that stay, an nn.Module with `encode(matrix, kept)`, which keeps the entries at the flattened positions
    `kept`: `dense()` gives them back with zeros elsewhere; forward equals history @ dense().T with and without
    gradients; gradients reach what is stored; a loaded state gives the same; the module's second public name,
    `stored_bytes(shape, entries)`, equals the bytes of its tensors.
    """
    encoding: Any = getattr(module, module.__all__[0])
    if isinstance(encoding, type) and issubclass(encoding, Codes):
        _check_codes(encoding, module.__name__)
    else:
        _check_entries(encoding, module)


def _check_codes(kind: type[Codes], name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    for shape in SHAPES:
        for dtype in (torch.float32, torch.float64, torch.float16) if shape[0] < 100 else (torch.float32,):
            matrix = torch.randn(shape, generator=generator).mul_(0.1).to(dtype)
            matrix[shape[0] // 2] = 0.0
            stored = kind.encode(matrix)
            told = f"{name}, {shape} of {dtype}"
            _check_numbers(stored, matrix, told)
            _check_serving(stored, generator, told)
            _check_storage(kind, stored, matrix, told)
            _check_packing(kind, matrix, told)


def _check_numbers(stored: Codes, matrix: Tensor, told: str) -> None:
    dense = stored.dense()
    assert (dense.shape, dense.dtype) == (matrix.shape, matrix.dtype), f"{told}: decoded it is {dense.shape}"
    assert stored.shape == tuple(matrix.shape), f"{told}: its shape is {stored.shape}"
    again = type(stored).encode(matrix)
    same = all(torch.equal(a, b) for a, b in zip(stored.buffers(), again.buffers(), strict=True))
    assert same, f"{told}: encoded twice it is not the same"
    assert not any(True for _ in stored.parameters()), f"{told}: codes are buffers, and it has parameters"
    wide = matrix.double()
    off = (dense.double() - wide).norm(dim=1) - stored.bound(wide).double()
    room = 4 * torch.finfo(matrix.dtype).eps * (wide.norm(dim=1) + wide.abs().amax(1) * wide.shape[1] ** 0.5)
    assert bool((off <= room).all()), f"{told}: a row is {float(off.max()):.3g} further off than `bound` says"
    empty = (wide == 0).all(1)
    assert not bool(dense[empty].any()), f"{told}: a row of zeros does not come back as zeros"


def _check_serving(stored: Codes, generator: torch.Generator, told: str) -> None:
    dense, (rows, columns) = stored.dense(), stored.shape
    near = (1e-6 if dense.dtype.itemsize >= 4 else 3e-3) * max(1.0, float(dense.abs().max()))
    indices = torch.randint(rows, (2, 3), generator=generator)
    assert torch.allclose(stored.rows(indices), dense[indices], atol=near, rtol=0.0), (
        f"{told}: looked-up rows are other rows"
    )
    assert torch.allclose(PackedEmbedding(stored, 0)(indices), dense[indices], atol=near, rtol=0.0), (
        f"{told}: its table differs"
    )
    x = torch.randn(2, 3, columns, generator=generator).to(dense.dtype)
    wanted = x.double() @ dense.double().T
    room = (1e-5 if dense.dtype.itemsize >= 4 else 2e-2) * max(1.0, float(wanted.abs().max()))
    for given in (x, x.clone().requires_grad_()):
        got = PackedLinear(stored, None)(given).detach()
        same = (got.shape, got.dtype) == (wanted.shape, dense.dtype)
        assert same, f"{told}: a product of shape {got.shape} and type {got.dtype}"
        assert bool(((got.double() - wanted).abs() <= room).all()), f"{told}: the product is not x @ dense().T"


def _check_storage(kind: type[Codes], stored: Codes, matrix: Tensor, told: str) -> None:
    parts = dict(stored.named_buffers())
    counted = sum(part.numel() * part.element_size() for part in parts.values())
    said = kind.stored_bytes(tuple(matrix.shape), matrix.element_size())
    same = said >= counted if kind.varies else said == counted
    assert same, f"{told}: stored_bytes says {said}, its tensors take {counted}"
    said = kind.stored_bytes(tuple(matrix.shape), matrix.element_size(), **kind.options(parts))
    assert said == counted, f"{told}: stored_bytes says {said} of its own options, its tensors take {counted}"
    entries = kind.stored_entries(tuple(matrix.shape))
    assert entries == stored.entries, f"{told}: stored_entries says {entries}, it holds {stored.entries}"
    other = kind.encode(-matrix if kind.varies else torch.ones_like(matrix))
    other.load_state_dict(stored.state_dict())
    rebuilt = kind.rebuilt({key: part.clone() for key, part in parts.items()})
    for again, how in ((other, "loaded"), (rebuilt, "rebuilt")):
        assert torch.equal(again.dense(), stored.dense()), f"{told}: {how} again it is another matrix"
    for key in parts:
        damaged = {**parts, key: torch.cat([parts[key], parts[key][..., :1]], -1)}
        missing = {other: part for other, part in parts.items() if other != key}
        for bad in (missing,) if key == "like" else (missing, damaged):
            assert _refused(kind, bad), f"{told}: rebuilt takes {key!r} that is missing or a number too long"
    for dtype in (torch.float64, torch.float16):
        codes = kind.encode(matrix).to(dtype)
        assert codes.dense().dtype is dtype, f"{told}: as {dtype} it decodes to {codes.dense().dtype}"
        kept = all(a.dtype == b.dtype for n, a in codes.named_buffers() if n != "like" for b in [parts[n]])
        assert kept, f"{told}: as {dtype} its codes are of another type"


def _refused(kind: type[Codes], parts: dict[str, Tensor]) -> bool:
    try:
        kind.rebuilt(parts)
    except SurgeryError:
        return True
    return False


def _check_packing(kind: type[Codes], matrix: Tensor, told: str) -> None:
    module = nn.ModuleDict({"table": nn.Embedding(len(matrix), matrix.shape[1], _weight=matrix)})
    encodings = {"table.weight": name_of(kind)}
    smaller = kind.stored_bytes(tuple(matrix.shape), matrix.element_size()) < matrix.numel() * matrix.element_size()
    try:
        packed = pack(module, encodings)
    except BudgetError:
        assert not smaller, f"{told}: it is smaller, and pack refuses it"
        return
    assert smaller, f"{told}: it is not smaller, and pack takes it"
    weight: Any = packed["table"].weight  # type: ignore[index]
    assert torch.equal(weight, kind.encode(matrix).dense()), f"{told}: packed it is another matrix"


def _check_entries(encoding: Any, module: ModuleType) -> None:
    name = module.__name__
    generator = torch.Generator().manual_seed(0)
    for shape, share in (((5, 7), 0.4), ((7, 5), 0.0), ((6, 6), 1.0)):
        matrix = torch.randn(shape, generator=generator)
        kept = (torch.rand(matrix.numel(), generator=generator) < share).nonzero().flatten()
        wanted = torch.zeros(matrix.numel())
        wanted[kept] = matrix.reshape(-1)[kept]
        stored: Any = encoding.encode(matrix, kept)
        is_module = isinstance(stored, nn.Module)
        assert is_module, f"{name}: encode gives {type(stored).__name__}, not an nn.Module"
        assert torch.equal(stored.dense(), wanted.reshape(shape)), f"{name}: decoded it is another matrix, {shape}"
        _check_product(stored, wanted.reshape(shape), torch.rand(3, shape[1], generator=generator), name)
        counted = sum(tensor.numel() * tensor.element_size() for tensor in stored.state_dict().values())
        said = module.stored_bytes(shape, len(kept))
        assert said == counted, f"{name}: stored_bytes says {said} for {shape}, its tensors take {counted}"
        again: Any = encoding.encode(torch.zeros(shape), kept)
        again.load_state_dict(stored.state_dict())
        assert torch.equal(again.dense(), stored.dense()), f"{name}: loaded again it is another matrix"


def _check_product(stored: nn.Module, wanted: Tensor, history: Tensor, name: str) -> None:
    expected = history @ wanted.T
    with torch.no_grad():
        assert torch.allclose(stored(history), expected, atol=1e-5), f"{name}: without gradients the product differs"
    output = stored(history)
    assert torch.allclose(output, expected, atol=1e-5), f"{name}: with gradients the product differs"
    output.sum().backward()
    missing = [n for n, p in stored.named_parameters() if p.grad is None or (p.numel() and not p.grad.abs().sum() > 0)]
    assert not missing, f"{name}: no gradient reaches {missing}"
