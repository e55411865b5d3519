"""What reaches a linear layer: how large its inputs are."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from recprune.errors import SurveyError
from recprune.importance.sweep import Batch

__all__ = ["input_squares"]


def input_squares(model: nn.Module, tensor: str, batches: Iterable[Batch]) -> Tensor:
    """(in_features,) float64 mean of x_j² over all rows that reach the nn.Linear whose weight is `tensor`.

    Raises SurveyError where `tensor` is the weight of no nn.Linear, or where no row reaches it.
    """
    owner, _, name = tensor.rpartition(".")
    linear = model.get_submodule(owner)
    if not isinstance(linear, nn.Linear) or name != "weight":
        raise SurveyError(
            f"{tensor} is not the weight of an nn.Linear but of {type(linear).__name__}: its inputs are not known; "
            "score it by taylor or magnitude",
            tensor=tensor,
        )
    width = linear.in_features
    squares = torch.zeros(width, dtype=torch.float64, device=linear.weight.device)
    rows = 0

    def note(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        nonlocal rows
        x = inputs[0].detach().reshape(-1, width).double()
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
    return squares / rows
