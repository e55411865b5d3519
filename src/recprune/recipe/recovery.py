"""recovery(): how much of what the loss rises by is still there after fine-tuning, kind by kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.data.dataset import Split
from recprune.importance.probe import Probe
from recprune.planning.budget import Budget
from recprune.planning.measured import Counts, rise_without
from recprune.planning.plan import Plan
from recprune.recipe.probing import probe
from recprune.recipe.pruned import carry_out
from recprune.recipe.restrict import restrict
from recprune.recipe.stages import Stage, silent
from recprune.recipe.train import TUNING
from recprune.tracing.site import Kind, Survey
from recprune.training.options import FitOptions

__all__ = ["LEAST", "recovered", "recovery"]

LEAST = 0.02
"""No kind is taken to recover more than all but this share."""

SHARE = 0.5
"""Of the units of every site of a kind, what leaves when it is tried."""


def recovery(
    model: nn.Module,
    split: Split,
    found: Survey,
    scores: Mapping[str, Tensor],
    asked: Probe,
    *,
    options: FitOptions | None = None,
    counts: Counts | None = None,
    seed: int = 0,
    stage: Stage = silent,
) -> dict[Kind, float]:
    """Kind -> the rise of the loss after fine-tuning over the rise before it, `LEAST` to 1.

    Neurons that leave are made good by those that stay, rows of ids are not: a rise that is measured before any
    fine-tuning compares units of one kind, not kinds. So, where several kinds compete, the cheapest half of each kind
    leaves in a copy of its own, which is fine-tuned for one epoch and measured on the same rows. Fields count in full:
    what the cheap ones show says nothing of the dear ones.
    options: of the fine-tuning, whatever its epochs. Costs an epoch a kind.
    """
    there = {found.site(name).kind for name in scores}
    out = dict.fromkeys(there, 1.0)
    if len(there) < 2:
        return out
    tuning = replace(options or TUNING, epochs=1, patience=1, checkpoint=None)
    for kind in sorted(there - {Kind.FIELD}):
        with stage(f"try {kind}") as say:
            plan = Plan(found, _kept(found, scores, kind), Budget(0.0), f"half of every {kind} site")
            leaving = {site.name: plan.leaving(site) for site in found.sites if site.name in plan.kept}
            before = rise_without(model, found, leaving, asked, counts=counts)
            small = carry_out(model, split, plan, options=tuning)
            own = restrict(split, small.renumber)
            after = probe(small.model, Survey((), {}, {}, {}, ""), own, seed=seed).loss - asked.loss
            out[kind] = float(np.clip(after / before, LEAST, 1.0)) if before > 0 else 1.0
            say(f"the loss rises by {before:.4g}, after an epoch by {after:.4g}")
    return out


def recovered(found: Survey, scores: Mapping[str, Tensor], shares: Mapping[Kind, float]) -> dict[str, Tensor]:
    """Scores in units of the loss after fine-tuning."""
    return {name: worth * shares.get(found.site(name).kind, 1.0) for name, worth in scores.items()}


def _kept(found: Survey, scores: Mapping[str, Tensor], kind: Kind) -> dict[str, NDArray[np.int64]]:
    """The dearer half of every site of a kind."""
    kept = {}
    for name, worth in scores.items():
        if found.site(name).kind is kind:
            ranks = np.lexsort((np.arange(len(worth)), worth.double().numpy()))
            kept[name] = np.sort(ranks[int(SHARE * len(worth)) :])
    return kept
