"""One pass of gradients over the probe batches: their mean, and the first-order worth of every unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from recprune.errors import SurveyError
from recprune.importance.units import entries_of, fallback_of
from recprune.tracing.site import Site, Survey

__all__ = ["Batch", "Loss", "Sweep", "as_it_was", "shares", "sweep"]

Batch = tuple[tuple[Tensor, ...], Tensor]
"""(inputs in the order of the model's forward, target)."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""loss(output, target) -> scalar."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """gradients: parameter -> mean gradient over the rows, in the parameter's shape.
    worth: site -> (size,) mean over the batches, which count by their rows, of
    |sum of gradient · (w - what stands there afterwards)|.
    """

    gradients: Mapping[str, Tensor]
    worth: Mapping[str, Tensor]


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


def shares(batches: Sequence[Batch]) -> list[float]:
    """What each batch counts in a mean over all rows: its rows over those of all."""
    rows = [len(target) if target.dim() else 1 for _, target in batches]
    return [one / max(sum(rows), 1) for one in rows]


def sweep(model: nn.Module, survey: Survey, batches: Sequence[Batch], loss: Loss) -> Sweep:
    """Forward and backward once a batch. Parameters that are frozen are asked too; nothing of the model changes."""
    parameters = {n: p for n, p in model.named_parameters(remove_duplicate=False) if p.is_floating_point()}
    learnable = {id(p): p for p in parameters.values()}
    total = {key: torch.zeros_like(p, dtype=_wide(p)) for key, p in learnable.items()}
    worth = {site.name: torch.zeros(site.size, dtype=torch.float64) for site in survey.sites}
    with as_it_was(model), torch.enable_grad():
        for parameter in learnable.values():
            parameter.requires_grad_(True)
        for share, (inputs, target) in zip(shares(batches), batches, strict=True):
            value = _scalar(loss(model(*inputs), target))
            found = torch.autograd.grad(value, list(learnable.values()), allow_unused=True)
            now = {key: _dense(g) for key, g in zip(learnable, found, strict=True) if g is not None}
            for key, gradient in now.items():
                total[key] += gradient * share
            for site in survey.sites:
                worth[site.name] += _first_order(site, parameters, now, survey.features).abs() * share
    return Sweep({name: total[id(p)] for name, p in parameters.items()}, worth)


def _first_order(
    site: Site, parameters: Mapping[str, Tensor], gradients: Mapping[int, Tensor], features: frozenset[str]
) -> Tensor:
    """(size,) sum of gradient · (w - w afterwards) over everything learnable that leaves with a unit."""
    out = torch.zeros(site.size, dtype=torch.float64)
    for cut in site.cuts:
        parameter = parameters.get(cut.tensor)
        gradient = None if parameter is None else gradients.get(id(parameter))
        if parameter is None or gradient is None:
            continue
        weights = entries_of(parameter.detach(), cut, site.size)
        afterwards = fallback_of(parameter.detach(), site, cut, features)
        change = weights if afterwards is None else weights - afterwards
        out += (entries_of(gradient, cut, site.size) * change).sum(1, dtype=torch.float64).cpu()
    return out


def _scalar(value: Tensor) -> Tensor:
    if value.dim() or not value.requires_grad:
        raise SurveyError(
            f"the loss must be one number that depends on the model's parameters; it is of shape {tuple(value.shape)}"
            f"{'' if value.requires_grad else ' and no gradient reaches it'}"
        )
    return value


def _dense(gradient: Tensor) -> Tensor:
    return gradient.to_dense() if gradient.is_sparse else gradient


def _wide(tensor: Tensor) -> torch.dtype:
    """Half precision is summed in single."""
    return torch.promote_types(tensor.dtype, torch.float32)
