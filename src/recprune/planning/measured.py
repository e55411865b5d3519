"""measured: scores that add up. What leaves a site together costs what was measured when it left together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.encodings.spelled import spelled
from recprune.importance.probe import Probe
from recprune.planning.held import inexact
from recprune.planning.hull import lower_hull
from recprune.tracing.build import named_tensors
from recprune.tracing.cutting import fallback_rows, masked_copy
from recprune.tracing.site import Kind, Survey

__all__ = ["SHARES", "measured", "rise_without"]

SHARES = (0.25, 0.5, 0.75, 0.875, 1.0)
"""Shares of a site's cheapest units that leave when the rise is measured; one unit of a site stays."""

Counts = Mapping[str, NDArray[Any]]


def measured(
    model: nn.Module,
    survey: Survey,
    scores: Mapping[str, Tensor],
    probe: Probe,
    *,
    shares: Sequence[float] = SHARES,
    counts: Counts | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> dict[str, Tensor]:
    """The scores of a rule, brought to one currency: the rise of the probe's loss, measured.

    A rule says in which order the units of a site leave; units are alike and stand in for each other, so that what it
    says of one alone says little of many together. Here the cheapest `shares` of every site leave at once, the rise of
    the loss is measured each time, and each unit gets its part of the rise between two such points: the sum over the
    cheapest units of a site is the measured rise, along its convex lower hull (a rise that flattens is spread evenly,
    as `choose` takes units one after the other). The order inside a site stays as the rule has it.
    Returns site name -> (site.size,) float64. Takes `len(shares)` measurements a site, one where it has one unit.
    """
    base, out = probe.loss, {}
    for done, (name, worth) in enumerate(scores.items()):
        if progress is not None:
            progress(done, len(scores), name)
        site = survey.site(name)
        order = np.lexsort((np.arange(site.size), worth.double().numpy()))
        most = max(site.size - 1, 1)
        ends = sorted({min(max(1, round(share * site.size)), most) for share in shares})

        def rise(units: NDArray[np.int64], name: str = name) -> float:
            return rise_without(model, survey, {name: np.sort(units)}, probe, base, counts)

        rises = [rise(order[:end]) for end in ends]
        seen = probe.counts(site) if site.kind is Kind.ID and probe.ids_apart else None
        if seen is not None:
            order, rises = _rarest_first(order, seen.numpy(), ends, rises, rise)
        out[name] = torch.from_numpy(_spread(order, ends, rises))
    return out


def _rarest_first(
    order: NDArray[np.int64],
    seen: NDArray[Any],
    ends: Sequence[int],
    rises: Sequence[float],
    rise: Callable[[NDArray[np.int64]], float],
) -> tuple[NDArray[np.int64], list[float]]:
    """The order, and the rise at each of the ends, or those where the rarest ids come first, if that costs less.

    rises: of the order as it is. As many of the rarest come first as part the two furthest.
    """
    rarest = order[np.argsort(seen[order], kind="stable")]
    if np.array_equal(rarest, order):
        return order, list(rises)
    rare = [rise(rarest[:end]) for end in ends]
    best = int(np.argmin(np.subtract(rare, rises)))
    if rare[best] >= rises[best]:
        return order, list(rises)
    first = rarest[: ends[best]]
    joined = np.concatenate([first, order[~np.isin(order, first)]])
    return joined, [*rare[: best + 1], *(rise(joined[:end]) for end in ends[best + 1 :])]


def rise_without(
    model: nn.Module,
    survey: Survey,
    leaving: Mapping[str, NDArray[np.int64]],
    probe: Probe,
    base: float | None = None,
    counts: Counts | None = None,
    encodings: Mapping[str, str] | None = None,
    decoded: Mapping[str, Tensor] | None = None,
) -> float:
    """How far the probe's loss rises when those units of those sites leave together.

    encodings: tensor -> the encoding that stores what stays of it (those of entries that leave and of sparse matrices
    count as exact and cost nothing, nor does a norm that is folded). decoded: tensor -> what it reads as once it is
    stored so, where that is known.
    """
    leaving = {name: units for name, units in leaving.items() if len(units)}
    stored = inexact(survey, encodings or {}, leaving)
    if not leaving and not stored:
        return 0.0
    small = masked_copy(model, survey, leaving, fallback_rows(model, survey, leaving, counts or {}))
    tensors = named_tensors(small)
    with torch.no_grad():
        for name, text in stored.items():
            known = (decoded or {}).get(name)
            tensors[name].copy_(spelled(text).encode(tensors[name]).dense() if known is None else known)
    return probe.loss_of(small) - (probe.loss if base is None else base)


def _spread(order: NDArray[np.int64], ends: Sequence[int], rises: Sequence[float]) -> NDArray[np.float64]:
    """(size,) what each unit adds: the slopes of the hull, tilted a little so that the rule's order stays.

    The sum over the units of a segment is its rise, and scores of one segment lie between those of its neighbours. What
    was never taken counts as much as the dearest that was.
    """
    corners = [(int(place), rise) for place, rise in lower_hull([0, *ends], [0.0, *rises])]
    slopes = [(high - low) / (right - left) for (left, low), (right, high) in pairwise(corners)]
    out = np.empty(len(order))
    for number, ((left, _), (right, _)) in enumerate(pairwise(corners)):
        apart = [abs(slopes[number] - slopes[n]) for n in (number - 1, number + 1) if 0 <= n < len(slopes)]
        tilt = min(apart, default=abs(slopes[number])) / 2
        out[order[left:right]] = slopes[number] + tilt * (_ramp(right - left))
    out[order[ends[-1] :]] = out[order[: ends[-1]]].max()
    return out


def _ramp(length: int) -> NDArray[np.float64]:
    """Evenly from -1/2 to 1/2; 0 where there is one."""
    return np.linspace(-0.5, 0.5, length) if length > 1 else np.zeros(length)
