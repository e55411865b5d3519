"""Averages over the units that stay: what layer norm, softmax and means do in the masked model.

A masked unit holds zeros, yet layer norm would still count it, and softmax would still give it weight. The masked model
that a smaller one is compared with therefore does these operations over the units that stay, and gives zero elsewhere.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

from recprune.errors import SurgeryError

__all__ = ["KeptWidth", "still"]


@contextmanager
def still(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, no gradients, nothing compiled, attention by its plain formula; all put back afterwards."""
    loaded = "torch._dynamo" in sys.modules  # where it is not, nothing was compiled
    eager = torch.compiler.set_stance("force_eager") if loaded else nullcontext()
    training = {module: module.training for module in model.modules()}
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    model.eval()
    try:
        with eager, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for module, mode in training.items():
            module.training = mode


class KeptWidth(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """gone: operation ("@name#number") -> axis of its first argument -> the positions that left."""

    def __init__(self, gone: Mapping[str, Mapping[int, Tensor]]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._gone = gone
        self._times: dict[str, int] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """As in Watch."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._times[str(func)] = self._times.get(str(func), 0) + 1
        name = f"@{func}#{self._times[str(func)]}"
        if name not in self._gone:
            return func(*args, **(kwargs or {}))
        stays = {dim: _others(args[0], dim, where) for dim, where in self._gone[name].items()}
        narrow = args[0]
        for dim, where in stays.items():
            narrow = narrow.index_select(dim, where)
        if str(func) == "aten.native_layer_norm.default":
            return _layer_norm(func, args, narrow, stays)
        output = func(narrow, *args[1:], **(kwargs or {}))
        return (
            output if not isinstance(output, Tensor) or output.dim() != args[0].dim() else _wide(output, args[0], stays)
        )


def _others(tensor: Tensor, dim: int, gone: Tensor) -> Tensor:
    mask = torch.ones(tensor.shape[dim], dtype=torch.bool, device=tensor.device)
    mask[gone.to(tensor.device)] = False
    return mask.nonzero().flatten()


def _wide(narrow: Tensor, like: Tensor, stays: Mapping[int, Tensor]) -> Tensor:
    """Zeros where units left; axes that were reduced to one stay one."""
    for dim, where in stays.items():
        if narrow.shape[dim] != len(where):
            continue
        shape = [*narrow.shape]
        shape[dim] = like.shape[dim]
        narrow = narrow.new_zeros(shape).index_copy(dim, where, narrow)
    return narrow


def _layer_norm(func: Any, args: Any, narrow: Tensor, stays: Mapping[int, Tensor]) -> Any:
    axis = args[0].dim() - 1
    if list(stays) != [axis] or len(args[1]) != 1:
        raise SurgeryError("layer norm over more than the last axis cannot lose units")
    weight, bias = (None if t is None else t.index_select(0, stays[axis]) for t in args[2:4])
    output, mean, deviation = func(narrow, [narrow.shape[-1]], weight, bias, args[4])
    return _wide(output, args[0], stays), mean, deviation
