"""What reaches a linear layer: how large its inputs are, and what they are in the mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from recprune.errors import SurveyError
from recprune.importance.entries import matrix_of
from recprune.importance.passes import Batch

__all__ = ["input_moments", "inputs_of"]


def input_moments(model: nn.Module, tensor: str, batches: Iterable[Batch]) -> tuple[Tensor, Tensor]:
    """(in_features,) float64 means of x_j and of x_j² over all rows that reach the linear layer with matrix `tensor`.

    Raises SurveyError where `tensor` is the matrix of no nn.Linear or packed matrix, or where no row reaches it.
    """
    sums: list[Tensor] = []
    rows = 0

    def note(x: Tensor) -> None:
        nonlocal rows
        wide = x.double()
        now = torch.stack([wide.sum(0), wide.square().sum(0)])
        sums[:] = [sums[0] + now if sums else now]
        rows += len(x)

    _watch(model, tensor, batches, note)
    return sums[0][0] / rows, sums[0][1] / rows


def inputs_of(model: nn.Module, tensor: str, batches: Iterable[Batch]) -> Tensor:
    """(rows, in_features) all rows that reach the layer. Raises as `input_moments` does."""
    found: list[Tensor] = []
    _watch(model, tensor, batches, found.append)
    return torch.cat(found)


def _watch(model: nn.Module, tensor: str, batches: Iterable[Batch], note: Callable[[Tensor], None]) -> None:
    """Note the rows that reach a layer, (rows, in_features) at a time."""
    owner, _, name = tensor.rpartition(".")
    linear = model.get_submodule(owner)
    if matrix_of(linear) != name:
        raise SurveyError(
            f"{tensor} is not the weight of an nn.Linear but of {type(linear).__name__}: its inputs are not known; "
            "score it by taylor or magnitude",
            tensor=tensor,
        )
    width = int(getattr(linear, "in_features"))  # noqa: B009 (no attribute of nn.Module to a type checker)
    rows = 0

    def seen(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        nonlocal rows
        x = inputs[0].detach().reshape(-1, width)
        rows += len(x)
        note(x)

    hook = linear.register_forward_pre_hook(seen)
    try:
        with torch.no_grad():
            for inputs, _ in batches:
                model(*inputs)
    finally:
        hook.remove()
    if not rows:
        raise SurveyError(f"no row of the probe batches reaches {tensor}; score it by magnitude", tensor=tensor)
