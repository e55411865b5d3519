"""choose: survey + scores + budget -> plan. The cheapest units leave first, until the budget is met."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recprune.encodings.folded import FOLDED
from recprune.encodings.item_item import by_entries
from recprune.encodings.largest import largest
from recprune.errors import BudgetError
from recprune.planning.budget import Budget
from recprune.planning.bundles import bundled, fewest, finite
from recprune.planning.costs import cost_of
from recprune.planning.held import sparse_matrices
from recprune.planning.left import NEVER, Left
from recprune.planning.plan import Plan
from recprune.planning.sized import sized, standing
from recprune.tracing.site import FLAT, Kind, Site, Survey

__all__ = ["choose", "paying"]


def choose(
    survey: Survey,
    scores: Mapping[str, Tensor],
    budget: Budget,
    *,
    rule: str = "",
    encodings: Mapping[str, str] | None = None,
    work: float | None = None,
    spare: Collection[Kind] = (),
) -> Plan:
    """Take the cheapest units until the budget is met.

    scores: site name -> (site.size,), a tensor or an array, higher = worth keeping; a site without scores stays whole.
    Units of different sites compete by worth per entry that leaves with them (per byte, where the budget is in bytes);
    ties go by site, then by unit number. encodings: tensor -> the encoding that is to store it, counted where the
    budget is in bytes; one that no longer makes its tensor smaller after the cut is left out.
    work: for a budget in milliseconds, which the caller measures: at least that share of the multiply-adds of one row
    leaves (`Left.work_at`), and units compete per multiply-add.
    spare: kinds of which every unit with a score below 0 leaves, met or not: for scores that say what the loss rises by
    (`measured`), it falls without them.
    Returns a plan that meets the budget and, but for those, takes less than one unit (one bundle of `budget.multiple`
    units) more than it must. A smaller budget removes what a larger one removed, and more; a whole field, which may be
    much more than is asked, leaves last only where nothing else does it at a lower sum.
    Raises BudgetError where floors and whole axes leave too little to take, and for a budget that has to be measured.
    """
    if budget.factor is None and budget.bytes is None and work is None:
        raise BudgetError(f"{budget.amount} has to be measured: recprune.prune does, with a model and its data")
    scores = {name: torch.as_tensor(worth).detach() for name, worth in scores.items()}
    sites = [s for s in survey.sites if _open(s, budget) and s.name in scores]
    encodings = sized(survey, encodings or {}, {})
    best = found = _taken(survey, sites, scores, budget, encodings, work, spare)
    while found.last is not None and found.last.kind is Kind.FIELD:
        sites = [s for s in sites if s is not found.last]
        try:
            found = _taken(survey, sites, scores, budget, encodings, work, spare)
        except BudgetError:
            break
        best = min(best, found, key=lambda one: one.cost)
    stored = _stored([survey.site(name) for name in best.kept], encodings)
    return paying(Plan(survey, best.kept, budget, rule, stored))


def _stored(sites: Iterable[Site], encodings: Mapping[str, str]) -> dict[str, str]:
    """The encodings, and item_item for tensors whose entries leave and that name none through which they can."""
    flat = [cut.tensor for site in sites for cut in site.cuts if cut.dim == FLAT]
    return {**encodings, **{tensor: "item_item" for tensor in flat if not by_entries(encodings.get(tensor))}}


def paying(plan: Plan) -> Plan:
    """The plan without encodings that no longer make a tensor smaller once it is cut."""
    widths = plan.survey.bytes_per_entry
    cut = {cut.tensor for name in plan.kept for cut in plan.survey.site(name).cuts if cut.dim == FLAT}
    rows, sparse = {r.tensor: r for r in plan.account().rows}, sparse_matrices(plan.survey)
    beside = {tensor: one.beside for tensor, one in sparse.items() if tensor in plan.encodings}

    def plain(tensor: str) -> int:
        return sum(math.prod(rows[n].after) * widths[n] for n in (tensor, *beside.get(tensor, ())))

    told = [tensor for tensor, text in plan.encodings.items() if text != FOLDED]
    idle = {tensor for tensor in told if rows[tensor].bytes_after >= plain(tensor)}
    left = {name: text for name, text in plan.encodings.items() if name in cut or name not in idle}
    return plan if len(left) == len(plan.encodings) else replace(plan, encodings=left)


@dataclass(frozen=True, slots=True)
class _Taken:
    """What stays, the sum of what leaves, and the site of the bundle that left last."""

    kept: dict[str, NDArray[np.int64]]
    cost: float
    last: Site | None


def _taken(
    survey: Survey,
    sites: list[Site],
    scores: Mapping[str, Tensor],
    budget: Budget,
    encodings: Mapping[str, str],
    work: float | None,
    spare: Collection[Kind],
) -> _Taken:
    """The cheapest bundles, in the order of their prices, until the budget is met and none below 0 is spare."""
    stored = _stored(sites, encodings)
    if len(sites) == 1 and sites[0].kind is Kind.ENTRY and not standing(survey, stored):
        return _of_entries(survey, sites[0], scores[sites[0].name], budget, encodings, stored, work)
    costs = [cost_of(survey, s, budget, stored, work is not None) for s in sites]
    closed = sum(s.kind is Kind.FIELD for s in survey.sites) - sum(s.kind is Kind.FIELD for s in sites)
    bundles = bundled(sites, [scores[s.name] for s in sites], budget, costs, closed)
    order = np.lexsort((np.arange(len(bundles.price)), bundles.site, bundles.price))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    ranks = [np.where(b >= 0, place[b], NEVER) if len(place) else np.full(len(b), NEVER) for b in bundles.of_unit]
    left = Left(survey, sites, ranks, stored)
    count = _first(len(order), _met(left, budget, survey, encodings, work))
    if count is None:
        raise _unreachable(survey, sites, budget, left, len(order))
    of_spare = np.array([site.kind in spare for site in sites], dtype=bool)
    idle = np.flatnonzero(of_spare[bundles.site[order]] & (bundles.price[order] < 0)) if len(order) else order
    count = max(count, int(idle[-1]) + 1 if len(idle) else 0)
    kept = {s.name: np.flatnonzero(r >= count) for s, r in zip(sites, ranks, strict=True) if bool((r < count).any())}
    cost = sum(float(scores[s.name][r < count].sum()) for s, r in zip(sites, ranks, strict=True) if s.name in kept)
    return _Taken(kept, cost, sites[bundles.site[order[count - 1]]] if count else None)


def _of_entries(
    survey: Survey,
    site: Site,
    score: Tensor,
    budget: Budget,
    encodings: Mapping[str, str],
    stored: Mapping[str, str],
    work: float | None,
) -> _Taken:
    """The same where only single entries of one matrix can leave: they are alike but for their worth, so that their
    number is found without an order, and the entries by a threshold. No number but the score is held for each."""
    most = max(site.size - fewest(site, budget), 0)
    left = Left(survey, [site], [most], stored)
    count = _first(most, _met(left, budget, survey, encodings, work))
    if count is None:
        raise _unreachable(survey, [site], budget, left, most)
    worth = finite(site, score)
    if not count:
        return _Taken({}, 0.0, None)
    kept = largest(worth, site.size - count)
    cost = float(worth.sum(dtype=torch.float64) - worth[kept].sum(dtype=torch.float64))
    return _Taken({site.name: kept.numpy()}, cost, site)


def _met(
    left: Left, budget: Budget, survey: Survey, encodings: Mapping[str, str], work: float | None
) -> Callable[[int], bool]:
    """Whether the budget is met when that many bundles have left."""
    if work is not None:
        least = (1 - work) * left.work_at(0)
        return lambda taken: left.work_at(taken) <= least + 1e-9
    if budget.factor is not None:
        most = (1 - budget.factor) * left.parameters
        return lambda taken: left.parameters_at(taken) <= most + 1e-9
    limit, whole = budget.bytes or 0, Left(survey, (), (), encodings)
    return lambda taken: (left.file_at(taken) if taken else whole.file_at(0)) <= limit


def _open(site: Site, budget: Budget) -> bool:
    return site.kind in budget.kinds and (not budget.sites or site.name in budget.sites)


def _first(most: int, met: Callable[[int], bool]) -> int | None:
    """The smallest count in 0..most for which `met` holds, where it holds from some count on."""
    low, high = 0, most
    if met(low):
        return 0
    if not met(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if met(middle) else (middle + 1, high)
    return low


def _unreachable(survey: Survey, sites: Iterable[Site], budget: Budget, left: Left, taken: int) -> BudgetError:
    known = {site.name for site in survey.sites} | set(survey.whole)
    missing = [f"no site is called {name!r}" for name in sorted(budget.sites - known)]
    blocked = missing + [f"{axis!r} stays whole: {reason}" for axis, reason in survey.whole.items()]
    floors, total = sum(1 for _ in sites), left.parameters
    kept = f"floor={budget.floor} keeps {budget.floor} unit(s) in each of {floors} site{'s' if floors > 1 else ''}"
    reasons = "; ".join([*blocked[:3], kept if floors else "no unit of these kinds can leave"])
    reach = 1 - left.parameters_at(taken) / total if total else 0.0
    if budget.bytes is not None:
        least = left.file_at(taken)
        return BudgetError(
            f"{budget.amount} cannot be met: at least {least:,} bytes stay ({reasons}). Allow more bytes, more kinds "
            f"than {{{', '.join(sorted(budget.kinds))}}}, or an encoding of fewer bits.",
            bytes=budget.bytes,
            reachable=least,
        )
    return BudgetError(
        f"{budget.amount} cannot be met: at most {math.floor(reach * 1e4) / 1e4:g} of {total:,} parameters "
        f"can go ({reasons}). Lower the factor, or allow more kinds than {{{', '.join(sorted(budget.kinds))}}}.",
        factor=budget.factor,
        reachable=reach,
    )
