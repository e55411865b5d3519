"""soft_threshold(): which entries of the embeddings are needed is learned along. Liu et al. 2021, "Learnable Embedding
Sizes for Recommender Systems" (PEP)."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from recprune.data.dataset import Split
from recprune.errors import TrainingError
from recprune.models._start import begin_
from recprune.training.fit import Fit, FitOptions, Progress, fit
from recprune.training.held import place
from recprune.training.state import BeforeEpoch
from recprune.training.usual import settled

__all__ = ["Granularity", "Sparse", "soft_threshold"]

Granularity = Literal["global", "row", "dim", "entry"]
START = -15.0
REACHED = 0.75
"""Share of the training after which no more entries leave; the last quarter trains what stays."""


@dataclass(frozen=True, slots=True, eq=False)
class Sparse:
    """model: with zeros in the tables; kept: table -> (n,) int64 flat positions of the entries that stay, ascending."""

    model: nn.Module
    kept: Mapping[str, Tensor]
    fit: Fit


def soft_threshold(
    model: nn.Module,
    split: Split,
    tables: Sequence[str],
    share: float,
    options: FitOptions | None = None,
    *,
    granularity: Granularity = "entry",
    progress: Progress | None = None,
) -> Sparse:
    """Train a copy of a model in which a table V works as sign(V) relu(|V| - sigmoid(s)); exactly `share` of the
    entries of all `tables` together is left in the end (section 3.2 there; s is learned with V).

    tables: names of parameters, as "item.weight". share: above 0, below 1. granularity: one threshold s an entry, a
    row, a column ("dim") or a table ("global"); each begins at -15, where it takes nothing.
    Left to itself that may miss any budget. Here one number is added to all s before every epoch, so that the share
    that is left falls from 1 by the cubic schedule (Zhu & Gupta 2017, section 3) until three quarters of the training
    are done; which entries leave is what s and V have learned. All epochs are run, and the last weights stay.
    Raises TrainingError for a name that is no parameter of one module, or a share out of range.
    """
    _check(share, granularity)
    options = settled(model, split, options)
    work = copy.deepcopy(model)
    begin_(work, split)
    soft = {name: _soften(work, name, granularity) for name in tables}
    total = sum(one.size for one in soft.values())
    wanted = max(1, round(share * total))

    def level(done: int) -> None:
        way = min(1.0, done / max(1, math.ceil(REACHED * (options.epochs - 1))))
        _set_level(soft, total - round((1 - (1 - way) ** 3) * (total - wanted)))

    blind = replace(split, valid=split.valid.take(np.arange(0)))
    purpose = {"soft threshold": [share, granularity, *tables]}
    done = fit(work, blind, options, progress=progress, before_epoch=BeforeEpoch(level, purpose))
    _set_level(soft, wanted)
    kept = _largest(soft, wanted)
    for name, one in soft.items():
        one.finish(kept[name])
    return Sparse(work, kept, done)


class _Threshold(nn.Module):
    """V -> sign(V) relu(|V| - sigmoid(s + level))."""

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.s = nn.Parameter(torch.full(tuple(shape), START))
        self.level: Tensor
        self.register_buffer("level", torch.zeros(()))

    def forward(self, weight: Tensor) -> Tensor:
        return weight.sign() * torch.relu(weight.abs() - torch.sigmoid(self.s + self.level))


@dataclass(frozen=True, slots=True, eq=False)
class _Soft:
    """A table under a threshold."""

    module: nn.Module
    attribute: str
    threshold: _Threshold

    @property
    @torch.no_grad()
    def raw(self) -> Tensor:
        """The table as the threshold gets it."""
        chain: Any = self.module.parametrizations[self.attribute]  # type: ignore[index]
        table: Tensor = chain.original.detach()
        for step in chain:
            if step is self.threshold:
                break
            table = step(table)
        return table

    @property
    def size(self) -> int:
        return self.raw.numel()

    def reach(self) -> Tensor:
        """(entries,) the level at which each entry becomes 0: logit(|v|) - s; infinite from |v| = 1 on."""
        return (torch.logit(self.raw.double().abs().clamp(max=1.0)) - self.threshold.s.detach().double()).flatten()

    def finish(self, kept: Tensor) -> None:
        """The plain parameter again, zero everywhere but at the kept positions."""
        parametrize.remove_parametrizations(self.module, self.attribute, leave_parametrized=True)
        table = getattr(self.module, self.attribute)
        with torch.no_grad():
            flat = torch.zeros_like(table).flatten()
            flat[kept] = table.flatten()[kept]
            table.copy_(flat.view_as(table))


def _soften(model: nn.Module, name: str, granularity: Granularity) -> _Soft:
    module, attribute = place(model, name)
    shape = getattr(module, attribute).shape
    if len(shape) != 2:
        raise TrainingError(f"{name!r} is {tuple(shape)}, no table of rows and columns", tensor=name)
    shapes = {"global": (), "row": (shape[0], 1), "dim": (1, shape[1]), "entry": tuple(shape)}
    threshold = _Threshold(shapes[granularity]).to(getattr(module, attribute).device)
    parametrize.register_parametrization(module, attribute, threshold)
    return _Soft(module, attribute, threshold)


def _set_level(soft: Mapping[str, _Soft], stay: int) -> None:
    """Add so much to every s that no more than `stay` entries are not 0."""
    reach = torch.cat([one.reach() for one in soft.values()])
    gone = len(reach) - stay
    level = reach.kthvalue(gone).values.clamp(-30.0, 30.0) if gone else torch.zeros(())
    for one in soft.values():
        one.threshold.level.fill_(level)


def _largest(soft: Mapping[str, _Soft], stay: int) -> dict[str, Tensor]:
    """Table -> positions of the entries that become 0 last; of equal ones the largest, then the first."""
    reach = torch.cat([one.reach() for one in soft.values()]).cpu().numpy()
    size = torch.cat([one.raw.abs().flatten() for one in soft.values()]).cpu().numpy()
    chosen = np.sort(np.lexsort((np.arange(len(reach)), -size, -reach))[:stay])
    ends = np.cumsum([one.size for one in soft.values()])
    parts = np.split(chosen, np.searchsorted(chosen, ends[:-1]))
    begins = [0, *ends[:-1]]
    return {n: torch.from_numpy(p - b) for n, p, b in zip(soft, parts, begins, strict=True)}


def _check(share: float, granularity: str) -> None:
    if not 0 < share < 1:
        raise TrainingError(f"share is that of the entries that stay, above 0 and below 1, not {share}", option="share")
    if granularity not in ("global", "row", "dim", "entry"):
        raise TrainingError(f"granularity {granularity!r} is none of: global, row, dim, entry", option="granularity")
