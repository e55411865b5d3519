"""What a forward pass writes into its own model is put back, and a copy that reads from another model is found out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from recprune.tracing.build import named_tensors
from recprune.tracing.inputs import storage_of, tensors_in

__all__ = ["Reading", "unwritten"]


@contextmanager
def unwritten(model: nn.Module) -> Iterator[None]:
    """Inside, the model may write into its tensors, as a table with `max_norm` and a buffer that counts calls do;
    afterwards they hold what they held, to the bit."""
    buffers = [(module, name, value) for module in model.modules() for name, value in module._buffers.items()]
    writing = _Writing(model)
    try:
        with writing:
            yield
    finally:
        for module, name, value in buffers:
            module._buffers[name] = value
        with torch.no_grad():
            for tensor, before in writing.saved.values():
                tensor.copy_(before)


class Reading(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the names of a model's tensors that operations read. found: those that were, each once."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._names = {storage_of(tensor): name for name, tensor in named_tensors(model).items() if tensor.numel()}
        self._names.pop(0, None)
        self.found: dict[str, None] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """As in Watch."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for tensor in tensors_in((args, kwargs or {})):
            name = self._names.get(storage_of(tensor))
            if name is not None:
                self.found[name] = None
        return func(*args, **(kwargs or {}))


class _Writing(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Saves a tensor of a model before an operation writes into it, or into a view of it. saved: the id of a
    tensor -> it, and what it held."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._own: dict[int, list[Tensor]] = {}
        for tensor in named_tensors(model).values():
            self._own.setdefault(storage_of(tensor), []).append(tensor)
        self._own.pop(0, None)
        self.saved: dict[int, tuple[Tensor, Tensor]] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """As in Watch."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func._schema.is_mutable:
            for argument, value in zip(func._schema.arguments, args, strict=False):
                if argument.alias_info is not None and argument.alias_info.is_write and isinstance(value, Tensor):
                    self._save(value)
        return func(*args, **(kwargs or {}))

    def _save(self, written: Tensor) -> None:
        for tensor in self._own.get(storage_of(written), ()):
            if id(tensor) not in self.saved:
                self.saved[id(tensor)] = tensor, tensor.detach().clone()
