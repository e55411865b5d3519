"""Backward passes over the probe's rows, one after another, by batches or by smaller pieces of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from recprune.errors import SurveyError
from recprune.tracing.inputs import call, changed, tensors_in

__all__ = [
    "Batch",
    "Gradients",
    "Loss",
    "as_it_was",
    "gradient_passes",
    "pieces",
    "row_losses",
    "rows_of",
    "same_answers",
    "shares",
]

Batch = tuple[tuple[Tensor, ...], Tensor]
"""(inputs in the order of the model's forward, target)."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""loss(output, target) -> scalar."""

Gradients = Mapping[int, Tensor]
"""id of a learnable parameter -> its gradient; none where no gradient reaches it."""


@contextmanager
def as_it_was(model: nn.Module) -> Iterator[None]:
    """Inside, the model is in eval mode; afterwards every module's training flag and every parameter's requires_grad
    and grad are what they were, and so are the rows of tables with `max_norm`, which every look-up makes shorter."""
    modes = [(module, module.training) for module in model.modules()]
    asked = [(p, p.requires_grad, p.grad) for p in model.parameters()]
    tables = [
        m.weight for m in model.modules() if isinstance(m, nn.Embedding | nn.EmbeddingBag) and m.max_norm is not None
    ]
    rows = [table.detach().clone() for table in tables]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter, required, gradient in asked:
            parameter.requires_grad_(required)
            parameter.grad = gradient
        with torch.no_grad():
            for table, held in zip(tables, rows, strict=True):
                table.copy_(held)


def rows_of(batch: Batch) -> int:
    """How many rows a batch has; a target that is one number is one row."""
    target = batch[1]
    return len(target) if target.dim() else 1


def shares(batches: Sequence[Batch]) -> list[float]:
    """What each batch counts in a mean over all rows: its rows over those of all."""
    rows = [rows_of(batch) for batch in batches]
    return [one / max(sum(rows), 1) for one in rows]


def pieces(model: nn.Module, batches: Sequence[Batch], most: int) -> list[Batch]:
    """The same rows in the same order, a `most`-th of them a piece; a batch ends a piece: up to one more a batch.

    Tensors of the inputs, however they nest, are parted by their first axis; single numbers and what is no tensor go
    to every piece. A batch stays whole where a tensor has not one row a row of the target, and all do where the model
    does not answer a row by itself as among the others, as with offsets into a list of ids.
    """
    size = -(-sum(rows_of(batch) for batch in batches) // most)
    parted = [rows_of(batch) > size and _by_rows(batch) for batch in batches]
    apart = any(parted) and _apart(model, batches[parted.index(True)])
    out = []
    for batch, yes in zip(batches, parted, strict=True):
        step = size if yes and apart else max(rows_of(batch), 1)
        begins = range(0, rows_of(batch), step)
        out += [_rows(batch, begin, begin + size) for begin in begins] if len(begins) > 1 else [batch for _ in begins]
    return out


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


def _by_rows(batch: Batch) -> bool:
    return all(x.dim() == 0 or len(x) == rows_of(batch) for x in tensors_in(batch))


def _rows(batch: Batch, begin: int, end: int) -> Batch:
    """Those rows of a batch whose tensors have one a row."""
    found: Batch = changed(batch, lambda _, x: x[begin:end] if x.dim() else x)
    return found


def _apart(model: nn.Module, batch: Batch) -> bool:
    """Whether the model answers the last row by itself as it does among the others."""
    rows = rows_of(batch)
    with as_it_was(model), torch.no_grad():
        among = [x[-1:].flatten() for x in tensors_in(call(model, batch[0])) if x.dim() and len(x) == rows]
        try:
            alone = [x.flatten() for x in tensors_in(call(model, _rows(batch, rows - 1, rows)[0]))]
        except (IndexError, RuntimeError, ValueError):
            return False
    return not among or (len(among) == len(alone) and all(map(same_answers, among, alone)))


def same_answers(one: Tensor, other: Tensor) -> bool:
    """Whether they are alike to half of the digits."""
    if one.shape != other.shape or not one.is_floating_point():
        return torch.equal(one, other)
    slack = torch.finfo(one.dtype).eps ** 0.5
    size = one[one.isfinite()].abs().max() if one.isfinite().any() else 0.0
    return torch.allclose(one, other, rtol=slack, atol=slack * float(size), equal_nan=True)


def _scalar(value: Tensor) -> Tensor:
    if value.dim() or not value.requires_grad:
        raise SurveyError(
            f"the loss must be one number that depends on the model's parameters; it is of shape {tuple(value.shape)}"
            f"{'' if value.requires_grad else ' and no gradient reaches it'}"
        )
    return value


def _dense(gradient: Tensor) -> Tensor:
    return gradient.to_dense() if gradient.is_sparse else gradient
