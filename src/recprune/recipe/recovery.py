"""recovery(): how much of what the loss rises by is still there after fine-tuning, kind by kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.data.dataset import Split
from recprune.encodings.spelled import spelled
from recprune.evaluation.inputs import ranks
from recprune.importance.probe import Probe
from recprune.packing import storing
from recprune.planning.budget import Budget
from recprune.planning.measured import Counts, rise_without
from recprune.planning.plan import Plan
from recprune.recipe.probing import MOST, PER_ID, probe
from recprune.recipe.pruned import Pruned, carry_out
from recprune.recipe.restrict import restrict
from recprune.recipe.stages import Say, Stage, silent
from recprune.recipe.train import TUNING
from recprune.surgery import masked
from recprune.tracing.site import Kind, Survey
from recprune.training.options import FitOptions

__all__ = ["LEAST", "recovered", "recovery", "recovery_of_bits"]

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
    most: int = MOST,
    seed: int = 0,
    stage: Stage = silent,
) -> dict[Kind, float]:
    """Kind -> the rise of the loss after fine-tuning over the rise before it, `LEAST` to 1.

    Neurons that leave are made good by those that stay, rows of ids are not: a rise that is measured before any
    fine-tuning compares units of one kind, not kinds. So, where several kinds compete, the cheapest half of each kind
    leaves in a copy of its own, which is fine-tuned for one epoch and measured on the same rows. Fields count in full:
    what the cheap ones show says nothing of the dear ones. Both rises are over the model of which nothing left, after
    fine-tuning over that model after as much of it.
    options: of the fine-tuning, whatever its epochs. most: rows that the loss is measured on, as `asked` has
    them; a model of rows is fine-tuned on 16 times as many, at most. Costs an epoch a kind, and one more.
    """
    there = {found.site(name).kind for name in scores}
    out = dict.fromkeys(there, 1.0)
    if len(there) < 2:
        return out
    part = _some_rows(model, split, PER_ID * most, seed)
    for kind in sorted(there - {Kind.FIELD}):
        with stage(f"try {kind}") as say:
            plan = Plan(found, _kept(found, scores, kind), Budget(0.0), f"half of every {kind} site")
            out[kind] = _share_left(model, part, plan, asked, options, counts, most, seed, say)
    return out


def recovery_of_bits(
    model: nn.Module,
    split: Split,
    found: Survey,
    asked: Probe,
    encodings: Sequence[str],
    *,
    options: FitOptions | None = None,
    seed: int = 0,
    stage: Stage = silent,
) -> float:
    """The same for bits: every matrix is stored by that of the encodings which takes fewest bytes, and is trained for
    an epoch as it is stored (`rounded`). 1 where nothing can be stored so."""
    sizes: dict[str, dict[str, int]] = {}
    for name in encodings:
        for tensor in storing(model, name):
            size = spelled(name).stored_bytes(found.shapes[tensor], found.bytes_per_entry[tensor])
            sizes.setdefault(tensor, {})[name] = size
    if not sizes:
        return 1.0
    stored = {tensor: min(there, key=lambda name: there[name]) for tensor, there in sizes.items()}
    plan = Plan(found, {}, Budget(0.0), "all in the fewest bits", stored)
    with stage("try bits") as say:
        return _share_left(model, split, plan, asked, options, None, MOST, seed, say)


def _share_left(
    model: nn.Module,
    split: Split,
    plan: Plan,
    asked: Probe,
    options: FitOptions | None,
    counts: Counts | None,
    most: int,
    seed: int,
    say: Say,
) -> float:
    """The rise of the loss by a plan after one epoch of fine-tuning, over the rise before it. What the epoch makes of
    the model as it is, of which nothing leaves, is no merit of the cut: the rise is over that."""
    tuning = replace(options or TUNING, epochs=1, patience=1, checkpoint=None)
    leaving = {site.name: plan.leaving(site) for site in plan.survey.sites if site.name in plan.kept}
    before = rise_without(model, plan.survey, leaving, asked, counts=counts, encodings=plan.encodings)
    small = carry_out(model, _unjudged(split), plan, options=tuning)
    after = _loss_of(model, split, small, asked, most, seed) - _whole(
        model, split, plan.survey, asked, tuning, most, seed
    )
    say(f"the loss rises by {before:.4g}, after an epoch by {after:.4g}")
    return float(np.clip(after / before, LEAST, 1.0)) if before > 0 else 1.0


def _whole(
    model: nn.Module, split: Split, found: Survey, asked: Probe, tuning: FitOptions, most: int, seed: int
) -> float:
    """The loss of the model itself after that fine-tuning, found once."""

    def loss() -> float:
        made = carry_out(model, _unjudged(split), Plan(found, {}, Budget(0.0), "nothing leaves"), options=tuning)
        return _loss_of(model, split, made, asked, most, seed)

    return asked.once(("tuned", repr(tuning), len(split.train), most, seed), loss)


def _loss_of(model: nn.Module, split: Split, small: Pruned, asked: Probe, most: int, seed: int) -> float:
    """That of a smaller model on the rows of the probe. Where items can leave the answers it is that of the larger one
    with the same numbers, in which those that left are still asked for."""
    if any(site.answers for site in small.plan.survey.sites):
        return asked.loss_of(masked(model, small.plan, small=small.model))
    own = restrict(split, small.renumber)
    return probe(small.model, Survey((), {}, {}, {}, ""), own, most=most, seed=seed).loss


def _unjudged(split: Split) -> Split:
    """Without a validation part an epoch is never taken back, whether it made the model better or not."""
    return replace(split, valid=split.valid.take(np.empty(0, dtype=np.int64)))


def _some_rows(model: nn.Module, split: Split, most: int, seed: int) -> Split:
    """The split with so many rows of train, drawn; all of them where the model ranks."""
    if ranks(model) or len(split.train) <= most:
        return split
    rows = np.random.default_rng(seed).permutation(len(split.train))[:most]
    return replace(split, train=split.train.take(np.sort(rows)))


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
