"""choose: survey + scores + budget -> plan. The cheapest units leave first, until the budget is met."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recprune.encodings.item_item import by_entries
from recprune.encodings.largest import BLOCK, largest
from recprune.errors import BudgetError
from recprune.planning.account import stored_size
from recprune.planning.budget import Budget
from recprune.planning.held import absorbed, sparse_matrices
from recprune.planning.left import NEVER, Left
from recprune.planning.plan import Plan
from recprune.planning.sized import sized, standing
from recprune.tracing.site import FLAT, Cut, Kind, Site, Survey

__all__ = ["choose", "unit_costs"]


@dataclass(frozen=True, slots=True)
class _Bundles:
    """Units that leave together, cheapest first: price (worth per entry), site and units of each bundle."""

    price: NDArray[np.float64]
    site: NDArray[np.int64]
    of_unit: list[NDArray[np.int64]]  # per site: the bundle of each unit, -1 where it never leaves


def choose(
    survey: Survey,
    scores: Mapping[str, Tensor],
    budget: Budget,
    *,
    rule: str = "",
    encodings: Mapping[str, str] | None = None,
    work: float | None = None,
) -> Plan:
    """Take the cheapest units until the budget is met.

    scores: site name -> (site.size,), higher = worth keeping; a site without scores stays whole. Units of different
    sites compete by worth per entry that leaves with them (per byte, where the budget is in bytes); ties go by site,
    then by unit number. encodings: tensor -> the encoding that is to store it, counted where the budget is in bytes;
    one that no longer makes its tensor smaller after the cut is left out.
    work: for a budget in milliseconds, which the caller measures: at least that share of the multiply-adds of one row
    leaves (`Left.work_at`), and units compete per multiply-add.
    Returns a plan that meets the budget and takes less than one unit (one bundle of `budget.multiple` units) more than
    it must. A smaller budget removes what a larger one removed, and more; a whole field, which may be much more than is
    asked, leaves last only where nothing else does it at a lower sum.
    Raises BudgetError where floors and whole axes leave too little to take, and for a budget that has to be measured.
    """
    if budget.factor is None and budget.bytes is None and work is None:
        raise BudgetError(f"{budget.amount} has to be measured: recprune.prune does, with a model and its data")
    sites = [s for s in survey.sites if _open(s, budget) and s.name in scores]
    encodings = sized(survey, encodings or {}, {})
    best = found = _taken(survey, sites, scores, budget, encodings, work)
    while found.last is not None and found.last.kind is Kind.FIELD:
        sites = [s for s in sites if s is not found.last]
        try:
            found = _taken(survey, sites, scores, budget, encodings, work)
        except BudgetError:
            break
        best = min(best, found, key=lambda one: one.cost)
    stored = _stored([survey.site(name) for name in best.kept], encodings)
    return _paying(Plan(survey, best.kept, budget, rule, stored))


def _stored(sites: Iterable[Site], encodings: Mapping[str, str]) -> dict[str, str]:
    """The encodings, and item_item for tensors whose entries leave and that name none through which they can."""
    flat = [cut.tensor for site in sites for cut in site.cuts if cut.dim == FLAT]
    return {**encodings, **{tensor: "item_item" for tensor in flat if not by_entries(encodings.get(tensor))}}


def _paying(plan: Plan) -> Plan:
    """The plan without encodings that no longer make a tensor smaller once it is cut."""
    widths = plan.survey.bytes_per_entry
    cut = {cut.tensor for name in plan.kept for cut in plan.survey.site(name).cuts if cut.dim == FLAT}
    rows, sparse = {r.tensor: r for r in plan.account().rows}, sparse_matrices(plan.survey)
    beside = {tensor: one.beside for tensor, one in sparse.items() if tensor in plan.encodings}

    def plain(tensor: str) -> int:
        return sum(math.prod(rows[n].after) * widths[n] for n in (tensor, *beside.get(tensor, ())))

    idle = {tensor for tensor in plan.encodings if rows[tensor].bytes_after >= plain(tensor)}
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
) -> _Taken:
    """The cheapest bundles, in the order of their prices, until the budget is met."""
    stored = _stored(sites, encodings)
    if len(sites) == 1 and sites[0].kind is Kind.ENTRY and not standing(survey, stored):
        return _of_entries(survey, sites[0], scores[sites[0].name], budget, encodings, stored, work)
    costs = [_cost(survey, s, budget, stored, work is not None) for s in sites]
    closed = sum(s.kind is Kind.FIELD for s in survey.sites) - sum(s.kind is Kind.FIELD for s in sites)
    bundles = _bundle(sites, [scores[s.name] for s in sites], budget, costs, closed)
    order = np.lexsort((np.arange(len(bundles.price)), bundles.site, bundles.price))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    ranks = [np.where(b >= 0, place[b], NEVER) if len(place) else np.full(len(b), NEVER) for b in bundles.of_unit]
    left = Left(survey, sites, ranks, stored)
    count = _first(len(order), _met(left, budget, survey, encodings, work))
    if count is None:
        raise _unreachable(survey, sites, budget, left, len(order))
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
    most = max(site.size - _floor(site, budget), 0)
    left = Left(survey, [site], [most], stored)
    count = _first(most, _met(left, budget, survey, encodings, work))
    if count is None:
        raise _unreachable(survey, [site], budget, left, most)
    worth = _finite(site, score)
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


def unit_costs(survey: Survey, site: Site) -> int:
    """Entries that leave with one unit of a site while everything else stays."""
    return sum(_entries(survey, cut) for cut in site.cuts if cut.tensor not in survey.buffers)


def _cost(survey: Survey, site: Site, budget: Budget, encodings: Mapping[str, str], by_work: bool) -> float:
    """What leaves with one unit, in the currency of the budget."""
    if by_work:
        return sum(_work(survey, cut) for cut in site.cuts if cut.tensor not in survey.buffers)
    return unit_costs(survey, site) if budget.bytes is None else _unit_bytes(survey, site, encodings)


def _work(survey: Survey, cut: Cut) -> float:
    """Multiply-adds of one row; of a table only one row is read, so that a row of it costs next to nothing."""
    return _entries(survey, cut) / (survey.shapes[cut.tensor][0] if cut.tensor in survey.features else 1)


def _unit_bytes(survey: Survey, site: Site, encodings: Mapping[str, str]) -> float:
    """Stored bytes that leave with one unit, each entry as dear as the mean one of its tensor."""
    return sum(_entries(survey, cut) * _entry_bytes(survey, cut.tensor, encodings) for cut in site.cuts)


def _entry_bytes(survey: Survey, tensor: str, encodings: Mapping[str, str]) -> float:
    shape, matrix = survey.shapes[tensor], sparse_matrices(survey).get(tensor)
    if tensor in absorbed(survey, encodings):
        return 0.0
    entries = max(math.prod(shape), 1)
    inside = None if matrix is None else matrix.shape
    return stored_size(shape, entries, survey.bytes_per_entry[tensor], encodings.get(tensor), inside) / entries


def _entries(survey: Survey, cut: Cut) -> int:
    whole = math.prod(survey.shapes[cut.tensor])
    return cut.width if cut.dim == FLAT else cut.width * whole // _axis(survey, cut)


def _axis(survey: Survey, cut: Cut) -> int:
    return max(survey.shapes[cut.tensor][cut.dim], 1)


def _open(site: Site, budget: Budget) -> bool:
    return site.kind in budget.kinds and (not budget.sites or site.name in budget.sites)


def _bundle(sites: list[Site], scores: list[Tensor], budget: Budget, costs: list[float], closed: int = 0) -> _Bundles:
    """closed: fields that stay anyway, for they are not among the sites."""
    prices, owners, of_unit, begin = [], [], [], 0
    field_floor = _fields_that_stay(sites, scores, budget, closed)
    for number, (site, score) in enumerate(zip(sites, scores, strict=True)):
        worth = _checked(site, score)
        order = np.lexsort((np.arange(site.size), worth))
        floor = int(number in field_floor) if site.kind is Kind.FIELD else _floor(site, budget)
        multiple = 1 if site.kind in (Kind.FIELD, Kind.ID, Kind.ENTRY) else budget.multiple
        ends = _ends(site.size, floor, multiple)
        starts = np.r_[0, ends[:-1]]
        mine = np.full(site.size, -1, dtype=np.int64)
        for_order = np.repeat(np.arange(len(ends)), ends - starts)
        mine[order[: len(for_order)]] = for_order + begin
        sums = np.add.reduceat(worth[order], starts) if len(ends) else np.empty(0)
        if len(ends):
            sums[-1] = worth[order[starts[-1] : ends[-1]]].sum()
        price = sums / ((ends - starts) * (costs[number] or 1.0))
        prices.append(np.maximum.accumulate(price) if len(price) else price)
        owners.append(np.full(len(ends), number, dtype=np.int64))
        of_unit.append(mine)
        begin += len(ends)
    if not sites:
        return _Bundles(np.empty(0), np.empty(0, dtype=np.int64), [])
    return _Bundles(np.concatenate(prices), np.concatenate(owners), of_unit)


def _ends(size: int, floor: int, multiple: int) -> NDArray[np.int64]:
    """Where bundles of the cheapest units end, so that what stays is a multiple and not below the floor."""
    least = max(floor, multiple if multiple > 1 else 0)
    first = size % multiple or multiple
    ends = np.arange(first, size - least + 1, multiple, dtype=np.int64)
    return ends[size - ends >= least]


def _floor(site: Site, budget: Budget) -> int:
    """Fewest units of a site that stay."""
    held = site.kind not in (Kind.ID, Kind.ENTRY)
    return max(budget.floor, math.ceil(budget.keep * site.size) if held else 0)


def _fields_that_stay(sites: list[Site], scores: list[Tensor], budget: Budget, closed: int) -> set[int]:
    """The best fields, so many that the floor is kept together with those that stay anyway."""
    fields = [n for n, s in enumerate(sites) if s.kind is Kind.FIELD]
    best = sorted(fields, key=lambda n: (-float(scores[n].sum()), n))
    least = max(budget.floor, math.ceil(budget.keep * (len(fields) + closed)))
    return set(best[: max(least - closed, 0)])


def _checked(site: Site, score: Tensor) -> NDArray[np.float64]:
    return _finite(site, score).double().numpy()


def _finite(site: Site, score: Tensor) -> Tensor:
    worth = score.detach().cpu()
    broken = sum(int((~block.isfinite()).sum()) for block in torch.split(worth, BLOCK))
    if tuple(worth.shape) != (site.size,) or broken:
        raise BudgetError(
            f"scores of site {site.name!r} must be {site.size} finite numbers, one a unit; they are of shape "
            f"{tuple(worth.shape)} with {broken} that are not finite",
            site=site.name,
        )
    return worth


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
    blocked = [f"{axis!r} stays whole: {reason}" for axis, reason in survey.whole.items()]
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
