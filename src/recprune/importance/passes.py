"""Backward passes over the probe's rows, one after another, by batches or by smaller pieces of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from recprune.errors import SurveyError

__all__ = ["Batch", "Gradients", "Loss", "as_it_was", "gradient_passes", "pieces", "row_losses", "rows_of", "shares"]

Batch = tuple[tuple[Tensor, ...], Tensor]
"""(inputs in the order of the model's forward, target)."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""loss(output, target) -> scalar."""

Gradients = Mapping[int, Tensor]
"""id of a learnable parameter -> its gradient; none where no gradient reaches it."""


@contextmanager
def as_it_was(model: nn.Module) -> Iterator[None]:
    """Inside, the model is in eval mode; afterwards every module's training flag and every parameter's requires_grad
    and grad are what they were."""
    modes = [(module, module.training) for module in model.modules()]
    asked = [(p, p.requires_grad, p.grad) for p in model.parameters()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter, required, gradient in asked:
            parameter.requires_grad_(required)
            parameter.grad = gradient


def rows_of(batch: Batch) -> int:
    """How many rows a batch has; a target that is one number is one row."""
    target = batch[1]
    return len(target) if target.dim() else 1


def shares(batches: Sequence[Batch]) -> list[float]:
    """What each batch counts in a mean over all rows: its rows over those of all."""
    rows = [rows_of(batch) for batch in batches]
    return [one / max(sum(rows), 1) for one in rows]


def pieces(batches: Sequence[Batch], most: int) -> list[Batch]:
    """The same rows in the same order, a `most`-th of them a piece; a batch ends a piece, so there may be more."""
    size = -(-sum(rows_of(batch) for batch in batches) // most)
    return [
        (tuple(x[begin : begin + size] for x in inputs), target[begin : begin + size]) if target.dim() else batch
        for batch in batches
        for inputs, target in [batch]
        for begin in range(0, rows_of(batch), size)
    ]


def gradient_passes(
    model: nn.Module, batches: Sequence[Batch], loss: Loss, note: Callable[[Batch, Gradients], None]
) -> None:
    """Forward and backward once a batch; note(batch, gradients) is called after each.

    Parameters that are frozen are asked too; nothing of the model changes. Raises SurveyError for a loss that is not
    one number of the model.
    """
    learnable = [p for p in dict.fromkeys(model.parameters()) if p.is_floating_point()]
    with as_it_was(model), torch.enable_grad():
        for parameter in learnable:
            parameter.requires_grad_(True)
        for inputs, target in batches:
            value = _scalar(loss(model(*inputs), target))
            found = torch.autograd.grad(value, learnable, allow_unused=True)
            there = {id(p): _dense(g) for p, g in zip(learnable, found, strict=True) if g is not None}
            with torch.no_grad():
                note((inputs, target), there)


def row_losses(output: Tensor, target: Tensor, loss: Loss) -> Tensor:
    """(rows,) the loss of every row by itself: all at once, or one after the other where the loss looks at what is in a
    row before it decides what to do, which `torch.func.vmap` refuses."""

    def one(row: Tensor, wanted: Tensor) -> Tensor:
        return loss(row.unsqueeze(0), wanted.unsqueeze(0))

    try:
        return torch.func.vmap(one)(output, target)
    except RuntimeError:
        return torch.stack([one(row, wanted) for row, wanted in zip(output, target, strict=True)])


def _scalar(value: Tensor) -> Tensor:
    if value.dim() or not value.requires_grad:
        raise SurveyError(
            f"the loss must be one number that depends on the model's parameters; it is of shape {tuple(value.shape)}"
            f"{'' if value.requires_grad else ' and no gradient reaches it'}"
        )
    return value


def _dense(gradient: Tensor) -> Tensor:
    return gradient.to_dense() if gradient.is_sparse else gradient
