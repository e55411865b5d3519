"""Undrawn: modules are made and no number is drawn for them, where all of them are to be read from a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch.overrides import TorchFunctionMode

__all__ = ["Undrawn"]

DRAWS = frozenset({"normal_", "uniform_"})
"""Methods of tensors that draw. On a tensor without numbers each takes longer than all else that makes a layer."""


class Undrawn(TorchFunctionMode):
    """Inside, what `torch.nn.init` fills stays as it is. For tensors of the device "meta" alone."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        if getattr(func, "__module__", "") == "torch.nn.init" or getattr(func, "__name__", "") in DRAWS:
            tensor = given.get("tensor", args[0] if args else None)
            if getattr(tensor, "is_meta", False):
                return tensor
        return func(*args, **given)
