"""over_seeds(): the same comparison by several seeds becomes one, sure of other users and of other seeds alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from math import isfinite
from statistics import fmean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from recprune.errors import DataError
from recprune.evaluation.compare import verdict_of
from recprune.evaluation.comparison import Comparison, Difference, Side
from recprune.evaluation.reach import Reach
from recprune.evaluation.speed import Speed

__all__ = ["over_seeds"]


def over_seeds(found: Sequence[Comparison]) -> Comparison:
    """One comparison of several: each the whole street by another seed, judged on the same cases.

    Sides are means over the seeds, `spread` their standard deviations. A difference d is the mean over the S seeds of
    the paired differences. Users (rows) and seeds are both samples, crossed with each other, so that its variance is at
    most U + B (what a user and a seed do together is counted in both):

        U = variance over the cases of what each adds, its mean over the seeds, / cases
        B = variance over the seeds of their differences / S

    The interval is d ± sqrt(t²(cases - 1) · U + t²(S - 1) · B), t the quantiles of Student's distribution: it holds the
    truth at least as often as it says, however the two are mixed (Banerjee 1960), which Satterthwaite's one t does not
    for few seeds. Where a comparison holds no `influence` (it was read from text) U is the mean over the seeds of the
    squared standard errors, which is never smaller.
    A rival that is not there for every seed is left out. Give three seeds or more: two leave B with one degree of
    freedom. Raises DataError for fewer than two, for one seed twice, and for other metrics or cases.
    """
    first = _alike(found)
    common = [name for name in first.sides if all(name in one.sides for one in found)]
    some = {name: "not made for every seed" for one in found for name in one.sides if name not in common}
    return replace(
        first,
        sides={name: _side([one.sides[name] for one in found]) for name in common},
        differences={
            name: tuple(
                _together(found, [one.difference(d.metric, name) for one in found], _mean_influence(found, name, d))
                for d in rows
            )
            for name, rows in first.differences.items()
            if name in common
        },
        against={
            name: _together(found, [one.against[name] for one in found], _mean_influence(found, "after", d, name))
            for name, d in first.against.items()
            if name in common
        },
        why={name: reason for one in found for name, reason in one.why.items()},
        without={**some, **{name: reason for one in found for name, reason in one.without.items()}},
        seeds=tuple(one.seed for one in found),
        influence={},
    )


def _alike(found: Sequence[Comparison]) -> Comparison:
    """The first one, where all can be put together."""
    if len({one.seed for one in found}) < max(len(found), 2):
        raise DataError(f"several seeds, each once, not {[one.seed for one in found]}", seeds=[o.seed for o in found])
    for one in found[1:]:
        for what in (_what_is_judged, lambda c: list(c.before.metrics), lambda c: c.headline):
            if what(one) != what(found[0]):
                raise DataError(
                    f"seed {one.seed} is of something else than seed {found[0].seed}: {what(one)} and not "
                    f"{what(found[0])}; judge the same models on the same part of one prepared folder"
                )
    return found[0]


def _what_is_judged(one: Comparison) -> tuple[Any, ...]:
    return one.part, one.unit, one.cases, one.level


def _together(found: Sequence[Comparison], each: Sequence[Difference], cases: NDArray[Any] | None) -> Difference:
    """The mean of a difference over the seeds; cases: (cases,) its mean influence."""
    values = [one.value for one in each if one.value is not None]
    if len(values) < len(each):
        return replace(each[0], value=None, standard_error=None, low=None, high=None, margin=None, verdict="not tested")
    mean = fmean(values)
    errors = [one.standard_error for one in each if one.standard_error is not None]
    margins = [one.margin for one in each if one.margin is not None]
    if len(errors) < len(each) or len(margins) < len(each):
        return replace(each[0], value=mean, standard_error=None, low=None, high=None, margin=None, verdict="not tested")
    n, seeds, margin = found[0].cases, len(each), fmean(margins)
    within = fmean(e * e for e in errors) if cases is None else float(cases.var(ddof=1)) / n
    between = stdev(values) ** 2 / seeds
    of_cases, of_seeds = (float(stdtrit(k, (1 + found[0].level) / 2)) for k in (max(n - 1, 1), seeds - 1))
    reach = (of_cases**2 * within + of_seeds**2 * between) ** 0.5
    low, high, metric = mean - reach, mean + reach, each[0].metric
    error = (within + between) ** 0.5
    return Difference(metric, mean, error, low, high, margin, verdict_of(metric, low, high, margin))


def _mean_influence(
    found: Sequence[Comparison], model: str, one: Difference, rival: str | None = None
) -> NDArray[np.float64] | None:
    """(cases,) what each case adds to model minus before (minus that of a rival); None where one seed does not know."""
    kept = []
    for comparison in found:
        mine = comparison.influence.get(model, {}).get(one.metric)
        other = None if rival is None else comparison.influence.get(rival, {}).get(one.metric)
        if mine is None or len(mine) < 2 or (rival is not None and other is None):
            return None
        kept.append(mine.astype(np.float64) - (0.0 if other is None else other))
    out: NDArray[np.float64] = np.mean(kept, axis=0)
    return out


def _side(sides: Sequence[Side]) -> Side:
    """The mean of a model over the seeds."""
    metrics = {name: [side.metrics[name] for side in sides] for name in sides[0].metrics}
    known = {name: [v for v in values if v is not None and isfinite(v)] for name, values in metrics.items()}
    full = {name: values for name, values in known.items() if len(values) == len(sides)}
    return Side(
        **{name: _mean(getattr(side, name) for side in sides) for name in ("features", "network", "bytes")},
        metrics={name: fmean(full[name]) if name in full else None for name in metrics},
        request=_speed([side.request for side in sides]),
        thousand=_speed([side.thousand for side in sides]),
        reach=_reached([side.reach for side in sides]),
        fallen={name: _mean(side.fallen.get(name, 0) for side in sides) for name in _columns(sides)},
        spread={name: stdev(values) for name, values in full.items()},
    )


def _columns(sides: Sequence[Side]) -> list[str]:
    return sorted({name for side in sides for name in side.fallen})


def _mean(counts: Iterable[int]) -> int:
    return round(fmean(counts))


def _reached(each: Sequence[Reach | None]) -> Reach | None:
    there = [one for one in each if one is not None]
    if len(there) < len(each):
        return None
    return Reach(**{f.name: _mean(getattr(one, f.name) for one in there) for f in fields(Reach)})


def _speed(each: Sequence[Speed | None]) -> Speed | None:
    """All repeats of all seeds."""
    there = [one for one in each if one is not None]
    if len(there) < len(each):
        return None
    samples = tuple(sample for one in there for sample in one.samples)
    low, median, high = (float(value) for value in np.percentile(samples, [10, 50, 90]))
    return replace(there[0], median=median, low=low, high=high, samples=samples)
