"""What a linear layer lacks when some of its inputs are gone: two models side by side on calibration rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.errors import SurveyError
from recprune.importance.passes import Batch, as_it_was

__all__ = ["Moments", "linear_at", "moments"]


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Means over the rows, float64. inputs: (k,) of the inputs x that stay; lack: (outputs,) of what the output lacks;
    across: (outputs, k) of lack times x; square: (k, k) of x times x.
    """

    inputs: Tensor
    lack: Tensor
    across: Tensor
    square: Tensor


def linear_at(model: nn.Module, name: str) -> nn.Linear:
    """The linear layer of that name. Raises SurveyError where there is another module."""
    found = model.get_submodule(name)
    if not isinstance(found, nn.Linear):
        raise SurveyError(f"{name} is no nn.Linear but {type(found).__name__}", module=name)
    return found


def moments(
    dense: nn.Module, masked: nn.Module, name: str, stays: NDArray[np.int64], batches: Sequence[Batch]
) -> Moments:
    """Moments of the layer `name` over the rows that reach it: the inputs `stays` of the masked model, and what the
    masked model's output lacks to the dense one's. A layer that is called several times sees the rows of all calls."""
    layer, kept = linear_at(masked, name), torch.from_numpy(stays)
    k, outputs, rows = len(stays), layer.out_features, 0
    sums = [torch.zeros(size, dtype=torch.float64) for size in ((k,), (outputs,), (outputs, k), (k, k))]
    with (
        as_it_was(dense),
        as_it_was(masked),
        torch.no_grad(),
        _watched(linear_at(dense, name)) as wanted,
        _watched(layer) as there,
    ):
        for inputs, _ in batches:
            dense(*inputs)
            masked(*inputs)
            for (_, target), (given, output) in zip(wanted, there, strict=True):
                x, lack = given[:, kept.to(given.device)].double().cpu(), (target - output).double().cpu()
                for total, more in zip(sums, (x.sum(0), lack.sum(0), lack.T @ x, x.T @ x), strict=True):
                    total.add_(more)
                rows += len(x)
            wanted.clear()
            there.clear()
    return Moments(*(total / max(rows, 1) for total in sums))


@contextmanager
def _watched(layer: nn.Linear) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """(input, output) of every call, as rows."""
    seen: list[tuple[Tensor, Tensor]] = []

    def note(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen.append((inputs[0].reshape(-1, layer.in_features), output.reshape(-1, layer.out_features)))

    hook = layer.register_forward_hook(note)
    try:
        yield seen
    finally:
        hook.remove()
