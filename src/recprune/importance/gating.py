"""A copy of a model whose units have gates: 1 is the model as it is, 0 the model without the unit."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.func import functional_call

from recprune.importance.passes import Batch, Loss, as_it_was
from recprune.importance.units import fallback_of
from recprune.tracing.site import FLAT, Cut, Site, Survey

__all__ = ["gated", "trained_gates"]


def gated(model: nn.Module, survey: Survey, gates: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the model with gates (site -> (size,)) on its units: w' + g · (w - w'), where w' is the fallback
    row of an id and zero elsewhere. Each unit is gated where it speaks first: in the tables that it is looked up in;
    else where it is read, in the columns of matrices and kernels; else in everything that leaves with it.
    A parameter of several names is gated once, and stands under each of them.
    """
    tensors = {name: p.detach() for name, p in model.named_parameters()}
    names = {id(p): name for name, p in model.named_parameters()}
    known = {name: names[id(p)] for name, p in model.named_parameters(remove_duplicate=False)}
    axes: dict[tuple[str, int], Tensor] = {}
    for site in survey.sites:
        for cut in _gated_cuts(site, known, survey) if site.name in gates else ():
            name = known[cut.tensor]
            plain = tensors[name]
            gate = _spread(gates[site.name].to(plain), cut, plain)
            answer = fallback_of(plain.detach(), site, cut, survey.features)
            if answer is None:
                axes[name, cut.dim] = gate * axes.get((name, cut.dim), 1.0)
            else:
                gate = _shaped(gate, cut.dim, plain)
                tensors[name] = gate * plain + (1 - gate) * answer.reshape(1, *plain.shape[1:])
    for (name, dim), gate in axes.items():
        tensors[name] = tensors[name] * _shaped(gate, dim, tensors[name])
    return {name: tensors[first] for name, first in known.items()}


def trained_gates(
    model: nn.Module,
    survey: Survey,
    sites: Sequence[Site],
    batches: Sequence[Batch],
    loss: Loss,
    *,
    steps: int,
    lr: float,
    penalty: float,
    eps: float,
    seed: int,
) -> dict[str, Tensor]:
    """Site -> (size,) float64 mean of each gate over the training; the model itself is not touched.

    Gates g(x) = (1 + eps) · x² / (x² + eps) begin at x = 1, which is the model as it is; its weights are frozen. A step
    is one of Adam on the loss, then x falls by lr · penalty and not below 0: Guo et al. 2022 (LPFS), the gate and the
    proximal step. Adam's steps are of one size, so the penalty needs no knowledge of the loss: a gate stays open where
    the gradient pulls it open more steadily than `penalty`, a share of 1.
    """
    model = copy.deepcopy(model)
    x = {site.name: torch.ones(site.size, requires_grad=True) for site in sites}
    optimizer = torch.optim.Adam(x.values(), lr=lr)
    total = {site.name: torch.zeros(site.size, dtype=torch.float64) for site in sites}
    with as_it_was(model), torch.enable_grad():
        for inputs, target in _drawn(batches, steps, seed):
            open_ = {name: (1 + eps) * one.square() / (one.square() + eps) for name, one in x.items()}
            optimizer.zero_grad()
            output = functional_call(model, gated(model, survey, open_), inputs, tie_weights=False)
            loss(output, target).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            with torch.no_grad():
                for name, one in x.items():
                    one.sub_(lr * penalty).clamp_(min=0)
                    total[name] += (1 + eps) * one.square() / (one.square() + eps) / steps
    return total


def _gated_cuts(site: Site, known: Mapping[str, str], survey: Survey) -> list[Cut]:
    """Where the site is gated, each place once. known: each name of a parameter -> its first."""
    cuts = [cut for cut in site.cuts if cut.tensor in known]
    first = [cut for cut in cuts if cut.tensor in survey.features]
    read = [cut for cut in cuts if cut.dim > 0]
    once: dict[Cut, Cut] = {}
    for cut in first or read or cuts:
        once.setdefault(replace(cut, tensor=known[cut.tensor]), cut)
    return list(once.values())


def _spread(gate: Tensor, cut: Cut, tensor: Tensor) -> Tensor:
    """The gates along the whole axis of the cut: ones where no unit of the site stands."""
    length = math.prod(tensor.shape) if cut.dim == FLAT else tensor.shape[cut.dim]
    mine = gate.repeat_interleave(cut.width)
    ones = gate.new_ones(length - len(mine))
    return torch.cat([ones[: cut.start], mine, ones[cut.start :]])


def _shaped(axis: Tensor, dim: int, tensor: Tensor) -> Tensor:
    """Gates of an axis in a shape that multiplies the tensor."""
    return axis.reshape(tensor.shape if dim == FLAT else [-1 if d == dim else 1 for d in range(tensor.dim())])


def _drawn(batches: Sequence[Batch], steps: int, seed: int) -> Iterator[Batch]:
    """`steps` batches: all of them in a drawn order, again and again."""
    generator = torch.Generator().manual_seed(seed)
    order: list[int] = []
    for _ in range(steps):
        order = order or torch.randperm(len(batches), generator=generator).tolist()
        yield batches[order.pop()]
