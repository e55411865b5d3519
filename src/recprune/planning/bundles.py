"""Bundles: units of a site that leave together, each with its price."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recprune.encodings.largest import BLOCK
from recprune.errors import BudgetError
from recprune.planning.budget import Budget
from recprune.tracing.site import Kind, Site

__all__ = ["Bundles", "bundled", "fewest", "finite"]


@dataclass(frozen=True, slots=True)
class Bundles:
    """Units that leave together, cheapest first: price (worth per entry), site and units of each bundle."""

    price: NDArray[np.float64]
    site: NDArray[np.int64]
    of_unit: list[NDArray[np.int64]]  # per site: the bundle of each unit, -1 where it never leaves


def bundled(sites: list[Site], scores: list[Tensor], budget: Budget, costs: list[float], closed: int = 0) -> Bundles:
    """Bundles of all sites that may leave: `budget.multiple` units each, of a field, ids and entries one.

    scores: (site.size,) of each site; costs: of one unit of each, in the currency of the budget. Within a site no
    bundle is cheaper than one before it. closed: fields that stay anyway, for they are not among the sites. Raises
    BudgetError for scores that are not one finite number a unit.
    """
    prices, owners, of_unit, begin = [], [], [], 0
    field_floor = _fields_that_stay(sites, scores, budget, closed)
    for number, (site, score) in enumerate(zip(sites, scores, strict=True)):
        worth = finite(site, score).double().numpy()
        order = np.lexsort((np.arange(site.size), worth))
        floor = int(number in field_floor) if site.kind is Kind.FIELD else fewest(site, budget)
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
        return Bundles(np.empty(0), np.empty(0, dtype=np.int64), [])
    return Bundles(np.concatenate(prices), np.concatenate(owners), of_unit)


def fewest(site: Site, budget: Budget) -> int:
    """Fewest units of a site that stay."""
    held = site.kind not in (Kind.ID, Kind.ENTRY)
    return max(budget.floor, math.ceil(budget.keep * site.size) if held else 0)


def finite(site: Site, score: Tensor) -> Tensor:
    """The scores of a site on the processor. Raises BudgetError where they are not one finite number a unit."""
    worth = score.detach().cpu()
    broken = sum(int((~block.isfinite()).sum()) for block in torch.split(worth, BLOCK))
    if tuple(worth.shape) != (site.size,) or broken:
        raise BudgetError(
            f"scores of site {site.name!r} must be {site.size} finite numbers, one a unit; they are of shape "
            f"{tuple(worth.shape)} with {broken} that are not finite",
            site=site.name,
        )
    return worth


def _ends(size: int, floor: int, multiple: int) -> NDArray[np.int64]:
    """Where bundles of the cheapest units end, so that what stays is a multiple and not below the floor."""
    least = max(floor, multiple if multiple > 1 else 0)
    first = size % multiple or multiple
    ends = np.arange(first, size - least + 1, multiple, dtype=np.int64)
    return ends[size - ends >= least]


def _fields_that_stay(sites: list[Site], scores: list[Tensor], budget: Budget, closed: int) -> set[int]:
    """The best fields, so many that the floor is kept together with those that stay anyway."""
    fields = [n for n, s in enumerate(sites) if s.kind is Kind.FIELD]
    best = sorted(fields, key=lambda n: (-float(scores[n].sum()), n))
    least = max(budget.floor, math.ceil(budget.keep * (len(fields) + closed)))
    return set(best[: max(least - closed, 0)])
