"""The contract of an encoding of a matrix."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["check_encoding"]


def check_encoding(module: ModuleType) -> None:
    """Assert that an encoding keeps the contract. Its first public name is an nn.Module, its second says its bytes:

    `encode(matrix, kept)` keeps the entries at the flattened positions `kept` of a (rows, columns) matrix; `dense()`
    gives them back with zeros elsewhere; forward equals history @ dense().T with and without gradients; gradients reach
    what is stored; a loaded state gives the same; `stored_bytes(shape, entries)` equals the bytes of its tensors.
    """
    encoding: Any = getattr(module, module.__all__[0])
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
