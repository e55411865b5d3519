"""weightless(): models are made without the numbers of their large tensors, to survey what fits into no memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

__all__ = ["weightless"]

FACTORIES = frozenset({torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn})


@contextlib.contextmanager
def weightless(over: int = 1 << 20) -> Iterator[None]:
    """Inside, tensors of more than `over` entries are made on torch's `meta` device: a shape and a type, no numbers.

    All others are what they always are, so that offsets, norms and towers are there. `survey` takes such a model.

    >>> with weightless():
    ...     model = MF(10**9, 10**8, dim=64)
    >>> model.user.weight.device
    device(type='meta')
    """
    with _Weightless(over):
        yield


class _Weightless(TorchFunctionMode):
    def __init__(self, over: int) -> None:
        super().__init__()
        self._over = over

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in FACTORIES and kwargs.get("device") is None and kwargs.get("out") is None:
            made = func(*args, **{**{k: v for k, v in kwargs.items() if k != "generator"}, "device": "meta"})
            if made.numel() > self._over:
                return made
        return func(*args, **kwargs)
