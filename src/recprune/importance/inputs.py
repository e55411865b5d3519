"""What reaches a linear layer: how large its inputs are, and what they are in the mean."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from recprune.errors import SurveyError
from recprune.importance.entries import matrix_of
from recprune.importance.passes import Batch

__all__ = ["input_moments"]


def input_moments(model: nn.Module, tensor: str, batches: Iterable[Batch]) -> tuple[Tensor, Tensor]:
    """(in_features,) float64 means of x_j and of x_j² over all rows that reach the linear layer with matrix `tensor`.

    Raises SurveyError where `tensor` is the matrix of no nn.Linear or packed matrix, or where no row reaches it.
    """
    owner, _, name = tensor.rpartition(".")
    linear = model.get_submodule(owner)
    if matrix_of(linear) != name:
        raise SurveyError(
            f"{tensor} is not the weight of an nn.Linear but of {type(linear).__name__}: its inputs are not known; "
            "score it by taylor or magnitude",
            tensor=tensor,
        )
    width = int(getattr(linear, "in_features"))  # noqa: B009 (no attribute of nn.Module to a type checker)
    sums, squares = torch.zeros(2, width, dtype=torch.float64, device=linear.get_parameter(name).device)
    rows = 0

    def note(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        nonlocal rows
        x = inputs[0].detach().reshape(-1, width).double()
        sums.add_(x.sum(0))
        squares.add_(x.square().sum(0))
        rows += len(x)

    hook = linear.register_forward_pre_hook(note)
    try:
        with torch.no_grad():
            for inputs, _ in batches:
                model(*inputs)
    finally:
        hook.remove()
    if not rows:
        raise SurveyError(f"no row of the probe batches reaches {tensor}; score it by magnitude", tensor=tensor)
    return sums / rows, squares / rows
