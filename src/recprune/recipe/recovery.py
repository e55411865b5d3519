"""recovery(): how much of what the loss rises by is still there after fine-tuning, kind by kind, share by share."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.data.dataset import Split
from recprune.encodings.folded import FOLDED
from recprune.encodings.spelled import spelled
from recprune.importance.probe import Probe
from recprune.packing import storing
from recprune.planning.budget import Budget
from recprune.planning.hull import lower_hull
from recprune.planning.measured import Counts, rise_without
from recprune.planning.plan import Plan
from recprune.recipe.an_epoch import loss_after, some_rows
from recprune.recipe.probing import MOST, PER_ID
from recprune.recipe.stages import Say, Stage, silent
from recprune.tracing.site import Kind, Survey
from recprune.training.options import FitOptions
from recprune.training.together import Alone

__all__ = ["LEAST", "SHARES", "Left", "between", "recovered", "recovery", "recovery_of_bits"]

LEAST = 0.02
"""No kind is taken to recover more than all but this share."""

MOST_LEFT = 4.0
"""No more of a rise is left than this many times as much as was measured."""

SHARES = (0.5, 0.75, 0.9)
"""Of the cheapest units of every site of a kind, what leaves when it is tried."""

STAYS = 0.8
"""Where so much of a rise is left no larger share of the kind is tried."""

Left = tuple[float, ...]
"""What is left of the rise by the units up to each of the SHARES, from the one before on."""

ALL = (1.0,) * len(SHARES)


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
    workers: Alone | None = None,
) -> dict[Kind, Left]:
    """Kind -> the rise of the loss after fine-tuning over the rise before it, `LEAST` to `MOST_LEFT`, share by share.

    Neurons that leave are made good by those that stay, rows of ids are not: a rise that is measured before any
    fine-tuning compares units of one kind, not kinds. And the cheap ones say nothing of the dear ones: half of the
    neurons are made good, nine in ten are not. So, where several kinds compete, the cheapest SHARES of each kind leave
    in copies of their own, each of which is fine-tuned for one epoch and measured on the same rows. Fields count in
    full. Rises are over the model of which nothing left, after fine-tuning over that model after as much of it.
    options: of the fine-tuning, whatever its epochs. most: rows that the loss is measured on, as `asked` has
    them; a model of rows is fine-tuned on 16 times as many, at most. Costs up to three epochs a kind, and one more; one
    a kind where fine-tuning makes next to nothing good (`STAYS`), as then it does nothing for the dearer units.
    workers: of those who plan together; all go by what the first finds (`loss_after`).
    """
    there = {found.site(name).kind for name in scores}
    out = dict.fromkeys(there, ALL)
    if len(there) < 2:
        return out
    part = some_rows(model, split, PER_ID * most, seed)
    for kind in sorted(there - {Kind.FIELD}):
        rises: dict[tuple[int, ...], tuple[float, float]] = {}
        tried = [_kept(found, scores, kind, share) for share in SHARES]
        sizes = [tuple(len(units) for units in kept.values()) for kept in tried]
        for share, kept, size in zip(SHARES, tried, sizes, strict=True):
            if size not in rises and not _stays(rises.values()):
                with stage(f"try {share:.0%} of {kind}s") as say:
                    plan = Plan(found, kept, Budget(0.0), f"{share:.0%} of every {kind} site")
                    rises[size] = _rises(model, part, plan, asked, options, counts, most, seed, say, workers)
        last = next(reversed(rises.values()))
        out[kind] = between(*zip(*(rises.get(size, last) for size in sizes), strict=True))
    return out


def _stays(rises: Collection[tuple[float, float]]) -> bool:
    """Whether next to nothing of a rise is made good, so that nothing will be of the dearer units either."""
    return any(0 < before * STAYS <= after for before, after in rises)


def between(before: Sequence[float], after: Sequence[float]) -> Left:
    """Slopes of what is left over what was there, which do not fall from one share to the next. Where a rise flattens
    the slope is that of all of it, as `measured` spreads it; where it falls, that of the next share."""
    places, rises, left = [0.0, *SHARES], [0.0, *before], [0.0, *after]
    corners = [places.index(place) for place, _ in lower_hull(places, rises)]
    rising = [n for n in corners if n == 0 or rises[n] > max(rises[one] for one in corners if one < n)]
    steps = lower_hull([rises[n] for n in rising], [left[n] for n in rising])
    slopes = [(high - low) / (later - sooner) for (sooner, low), (later, high) in pairwise(steps)]
    if not slopes:
        return ALL
    number = {rises[n]: n for n in rising}
    ends = [number[later] for later, _ in steps[1:]]
    which = np.searchsorted(ends, range(1, len(places))).clip(max=len(slopes) - 1)
    return tuple(float(np.clip(slopes[n], LEAST, MOST_LEFT)) for n in which)


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
    workers: Alone | None = None,
) -> float:
    """The same for bits: every matrix is stored by that of the encodings which takes fewest bytes, and is trained for
    an epoch as it is stored (`rounded`). 1 where nothing can be stored so."""
    sizes: dict[str, dict[str, int]] = {}
    for name in (name for name in encodings if name != FOLDED):
        for tensor in storing(model, name):
            size = spelled(name).stored_bytes(found.shapes[tensor], found.bytes_per_entry[tensor])
            sizes.setdefault(tensor, {})[name] = size
    if not sizes:
        return 1.0
    stored = {tensor: min(there, key=lambda name: there[name]) for tensor, there in sizes.items()}
    plan = Plan(found, {}, Budget(0.0), "all in the fewest bits", stored)
    with stage("try bits") as say:
        before, after = _rises(model, split, plan, asked, options, None, MOST, seed, say, workers)
    return float(np.clip(after / before, LEAST, 1.0)) if before > 0 else 1.0


def _rises(
    model: nn.Module,
    split: Split,
    plan: Plan,
    asked: Probe,
    options: FitOptions | None,
    counts: Counts | None,
    most: int,
    seed: int,
    say: Say,
    workers: Alone | None,
) -> tuple[float, float]:
    """The rise of the loss by a plan before and after one epoch of fine-tuning. What the epoch makes of the model as it
    is, of which nothing leaves, is no merit of the cut: the rise is over that."""
    leaving = {site.name: plan.leaving(site) for site in plan.survey.sites if site.name in plan.kept}
    before = rise_without(model, plan.survey, leaving, asked, counts=counts, encodings=plan.encodings)
    whole = Plan(plan.survey, {}, Budget(0.0), "nothing leaves")
    after = loss_after(model, split, plan, asked, options, most, seed, workers) - asked.once(
        ("tuned", repr(options), len(split.train), most, seed),
        lambda: loss_after(model, split, whole, asked, options, most, seed, workers),
    )
    say(f"the loss rises by {before:.4g}, after an epoch by {after:.4g}")
    return before, after


def recovered(
    found: Survey, scores: Mapping[str, Tensor], left: Mapping[Kind, Left], whole: Survey | None = None
) -> dict[str, Tensor]:
    """Scores in units of the loss after fine-tuning; in each site their order stays. whole: the survey of the model
    that was tried, where some of its units have left since: those that are there are its dearest."""
    out = {}
    for name, worth in scores.items():
        size = len(worth) if whole is None else max(whole.site(name).size, len(worth))
        ranks = np.empty(len(worth), dtype=np.int64)
        ranks[_cheapest_first(worth)] = np.arange(size - len(worth), size)
        ends = [int(share * size) for share in SHARES[:-1]]
        parts = torch.tensor(left.get(found.site(name).kind, ALL))[np.searchsorted(ends, ranks, side="right")].to(worth)
        out[name] = worth * torch.where(worth < 0, parts.min(), parts)
    return out


def _kept(found: Survey, scores: Mapping[str, Tensor], kind: Kind, share: float) -> dict[str, NDArray[np.int64]]:
    """All of every site of a kind but that share, the cheapest."""
    return {
        name: np.sort(_cheapest_first(worth)[int(share * len(worth)) :])
        for name, worth in scores.items()
        if found.site(name).kind is kind
    }


def _cheapest_first(worth: Tensor) -> NDArray[np.int64]:
    return np.lexsort((np.arange(len(worth)), worth.double().numpy()))
