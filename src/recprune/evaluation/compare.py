"""compare(): a model before and after, with honest rivals, on the same cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite, isnan
from statistics import NormalDist
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.data.dataset import Split
from recprune.errors import DataError
from recprune.evaluation.clicks import auc_influence, delong
from recprune.evaluation.comparison import Comparison, Difference, Side
from recprune.evaluation.evaluate import evaluate, task_of
from recprune.evaluation.formulas import LOWER_IS_BETTER, formula
from recprune.evaluation.inputs import Renumber, columns_of, device_of, known, ranks, row_inputs, user_inputs
from recprune.evaluation.paired import bootstrap as intervals
from recprune.evaluation.paired import influence, standard_error
from recprune.evaluation.scores import Scores
from recprune.evaluation.size import size_of
from recprune.evaluation.speed import Speed, compare_speed

__all__ = ["compare", "verdict_of"]

Models = Mapping[str, nn.Module]
Codes = Mapping[str, Renumber]


class Accounted(Protocol):
    """Totals of a plan's account."""

    @property
    def features_before(self) -> int: ...
    @property
    def features_after(self) -> int: ...
    @property
    def network_before(self) -> int: ...
    @property
    def network_after(self) -> int: ...
    @property
    def bytes_before(self) -> int: ...
    @property
    def bytes_after(self) -> int: ...


class Planned(Protocol):
    """A plan, as far as a comparison needs it."""

    def account(self) -> Accounted: ...


def compare(
    before: nn.Module,
    after: nn.Module,
    split: Split,
    part: str = "test",
    *,
    rivals: Models | None = None,
    plan: Planned | None = None,
    renumber: Codes | None = None,
    k: int = 20,
    seed: int = 0,
    bootstrap: int = 1000,
    level: float = 0.95,
    margin: float = 0.01,
    mask_seen: bool = True,
    repeats: int = 50,
    threads: int | None = None,
    cases: bool = False,
) -> Comparison:
    """Judge a model before and after on one part: quality with paired intervals, parameters, bytes and milliseconds.

    rivals: name -> model (random pruning, the same size from scratch, ...), judged and timed in the same way. plan: of
    `after`; sizes come from its account, otherwise the tensors are counted. renumber: model name ("after", or that of a
    rival) -> column -> new code of every old one, for models that ids have left: split stays in the old codes, and an
    item that left is missed. Intervals are paired percentile bootstraps over users or rows, `bootstrap` replicates; of
    AUC by DeLong's exact variance. margin: a difference counts as equal where its whole interval is within this share
    of the value before (for AUC and accuracy: within a tenth of it, in absolute terms, so 0.001 for 0.01). repeats: of
    the timing, models in turn; 0 leaves it out. threads: of the timing, None for as many as torch has now.
    Where that leaves no finite interval, as for a single case, a difference is "not tested".
    Raises DataError as `evaluate` does, for a rival that is called before or after, for fewer than two replicates, and
    for a level that is not between 0 and 1.
    """
    if bootstrap < 2:
        raise DataError(f"bootstrap is 2 replicates or more, 1,000 by habit, not {bootstrap}", bootstrap=bootstrap)
    if not 0 < level < 1:
        raise DataError(f"level is a share between 0 and 1, such as 0.95, not {level}", level=level)
    models = _named(before, after, rivals or {})
    codes = renumber or {}
    scores = {
        name: evaluate(model, split, part, k=k, mask_seen=mask_seen, renumber=codes.get(name))
        for name, model in models.items()
    }
    one, thousand = _timed(models, split, part, scores["before"], codes, k, repeats, threads)
    sizes = {name: size_of(model) for name, model in models.items()} | _accounted(plan)
    base = scores["before"]
    made = Comparison(
        sides={
            name: Side(
                *sizes[name], dict(found.mean), one.get(name), thousand.get(name), found.reach, dict(found.fallen)
            )
            for name, found in scores.items()
        },
        differences=_differences(scores, "before", list(base.mean), bootstrap, seed, level, margin),
        part=part,
        cases=len(base.cases),
        unit=base.unit,
        seed=seed,
        bootstrap=bootstrap,
        level=level,
        formulas={name: formula(name) for name in base.mean},
        why={name: reason for found in scores.values() for name, reason in found.why.items()},
        left_out=dict(base.left_out),
        influence=_influences(scores) if cases else {},
    )
    rivalling = {name: found for name, found in scores.items() if name != "before"}
    others = _differences(rivalling, "after", [made.headline], bootstrap, seed, level, margin)
    return replace(made, against={name: _turned(one) for name, (one,) in others.items()})


def _named(before: nn.Module, after: nn.Module, rivals: Models) -> dict[str, nn.Module]:
    taken = {"before", "after"} & set(rivals)
    if taken:
        raise DataError(f"a rival cannot be called {taken.pop()!r}; give it another name", rivals=tuple(rivals))
    return {"before": before, "after": after, **rivals}


def _accounted(plan: Planned | None) -> dict[str, tuple[int, int, int]]:
    if plan is None:
        return {}
    account = plan.account()
    return {
        "before": (account.features_before, account.network_before, account.bytes_before),
        "after": (account.features_after, account.network_after, account.bytes_after),
    }


def _differences(
    scores: Mapping[str, Scores],
    first: str,
    metrics: list[str],
    replicates: int,
    seed: int,
    level: float,
    share: float,
) -> dict[str, tuple[Difference, ...]]:
    """How far every other model is from the first one."""
    base, others = scores[first], {name: found for name, found in scores.items() if name != first}
    tested = [m for m in metrics if m in base.parts and all(found.mean[m] is not None for found in scores.values())]
    parts = {name: found.parts for name, found in others.items()}
    spread = {
        (name, metric): (standard_error(metric, base.parts[metric], parts[name][metric]), low, high)
        for (name, metric), (low, high) in (
            intervals(tested, base.parts, parts, replicates=replicates, seed=seed, level=level) if tested else {}
        ).items()
    }
    if "auc" in metrics and _two_of_each(base):
        spread |= {(name, "auc"): _auc(base, found, level) for name, found in others.items()}
    return {
        name: tuple(_difference(m, base.mean[m], found.mean[m], spread.get((name, m)), share) for m in metrics)
        for name, found in others.items()
    }


def _two_of_each(scores: Scores) -> bool:
    """Whether DeLong's variance is known: two rows of each class."""
    return scores.mean.get("auc") is not None and min(np.bincount(scores.raw["label"].astype(int))) > 1


def _auc(base: Scores, other: Scores, level: float) -> tuple[float, float, float]:
    difference, error = delong(base.raw["score"], other.raw["score"], base.raw["label"])
    reach = NormalDist().inv_cdf((1 + level) / 2) * error
    return error, difference - reach, difference + reach


def _difference(
    metric: str, before: float | None, after: float | None, spread: tuple[float, float, float] | None, share: float
) -> Difference:
    value = None if before is None or after is None or isnan(after - before) else after - before
    if before is None or value is None or spread is None or not all(map(isfinite, spread)):
        return Difference(metric, value, None, None, None, None, "not tested")
    error, low, high = spread
    margin = share / 10 if metric in ("auc", "accuracy") else share * abs(before)
    return Difference(metric, value, error, low, high, margin, verdict_of(metric, low, high, margin))


def _turned(one: Difference) -> Difference:
    """The same difference, seen from the other side."""
    if one.value is None or one.low is None or one.high is None or one.margin is None:
        return replace(one, value=None if one.value is None else -one.value)
    low, high = -one.high, -one.low
    return replace(one, value=-one.value, low=low, high=high, verdict=verdict_of(one.metric, low, high, one.margin))


def verdict_of(metric: str, low: float, high: float, margin: float) -> str:
    """What an interval of a difference says: "equal" where it lies within the margin, "open" where it holds 0, "not
    tested" where a bound is not finite."""
    if not (isfinite(low) and isfinite(high)):
        return "not tested"
    if -margin <= low and high <= margin:
        return "equal"
    if low <= 0 <= high:
        return "open"
    return "better" if (low > 0) is (metric not in LOWER_IS_BETTER) else "worse"


def _influences(scores: Mapping[str, Scores]) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Model -> metric -> (cases,) what each case adds to the difference from before, around 0."""
    base = _added(scores["before"])
    return {
        name: {m: (own - base[m]).astype(np.float32) for m, own in _added(found).items() if m in base}
        for name, found in scores.items()
        if name != "before"
    }


def _added(scores: Scores) -> dict[str, NDArray[np.float64]]:
    out = {name: influence(name, part) for name, part in scores.parts.items() if scores.mean[name] is not None}
    if _two_of_each(scores):
        out["auc"] = auc_influence(scores.raw["score"], scores.raw["label"])
    return out


def _timed(
    models: Models,
    split: Split,
    part: str,
    scores: Scores,
    codes: Codes,
    k: int,
    repeats: int,
    threads: int | None,
) -> tuple[dict[str, Speed], dict[str, Speed]]:
    if not repeats:
        return {}, {}
    listed = k if task_of(models["before"], split) == "ranking" else None
    middle = len(scores.cases) // 2
    timed = []
    for cases in (scores.cases[middle : middle + 1], scores.cases[:1000]):
        inputs = _inputs(models, split, part, cases, codes)
        timed.append(compare_speed(models, inputs, k=listed, repeats=repeats, threads=threads))
    return timed[0], timed[1]


def _inputs(
    models: Models, split: Split, part: str, cases: np.ndarray[tuple[int], np.dtype[np.int64]], codes: Codes
) -> dict[str, tuple[Tensor, ...]]:
    """Inputs by model; models that take the same ones share them."""
    made: dict[object, tuple[Tensor, ...]] = {}
    out = {}
    for name, model in models.items():
        key = (columns_of(model), device_of(model), id(codes.get(name)) if codes.get(name) else 0)
        if key not in made:
            made[key] = (
                user_inputs(model, known(split, part), cases, renumber=codes.get(name))
                if ranks(model)
                else row_inputs(model, getattr(split, part), cases, renumber=codes.get(name))
            )
        out[name] = made[key]
    return out
