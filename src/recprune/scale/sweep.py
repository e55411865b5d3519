"""sweep(): trained models by budgets, rules and seeds, tried side by side and judged as one frontier."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from statistics import fmean, median
from typing import Any

from recprune.atomic import lock, tidy, write_bytes
from recprune.discover import load
from recprune.errors import BudgetError, DataError
from recprune.planning.budget import Budget
from recprune.recipe.frontier import Point, fronted, headline_of, value_of
from recprune.recipe.pruned import usual_budget
from recprune.recipe.shelf import take
from recprune.recipe.stages import Stage, silent
from recprune.scale import engines
from recprune.scale.preparing.run import Scale
from recprune.scale.trial import Trial, tried
from recprune.training.options import FitOptions
from recprune.training.usual import Said

__all__ = ["FACTORS", "SWEEP", "TRIALS", "Swept", "Tried", "sweep"]

FACTORS = (0.5, 0.8, 0.9)
SWEEP, TRIALS = "sweep.json", "trials"
"""What the folder of a sweep holds: the table, and a folder a trial."""
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Tried:
    """What all seeds of one model, budget and rule gave: `point` is their mean, of milliseconds the median.

    budget: its amount in words, empty for the model as it was given. rule: as it was asked for, or the usual one as a
    plan spells it. folders: of the trials, a seed each.
    """

    model: str
    budget: str
    rule: str
    point: Point
    folders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Swept:
    """rows: in the order of the grid, the models as they were given first. refused: model (as `names` calls it), budget
    and rule -> why."""

    rows: tuple[Tried, ...]
    metric: str
    seeds: tuple[int, ...]
    refused: Mapping[str, str]

    @property
    def names(self) -> dict[str, str]:
        """What to call each model of the rows."""
        return _told_apart(row.model for row in self.rows)

    def to_json(self) -> str:
        """All of it as text."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1)


def sweep(
    models: Sequence[str | Path],
    out: str | Path,
    *,
    budgets: Sequence[Budget] | None = None,
    rules: Sequence[str | None] = (None,),
    seeds: Sequence[int] = (0,),
    data: str | Path | None = None,
    own: str | None = None,
    options: FitOptions | Said | None = None,
    metric: str | None = None,
    scale: Scale | None = None,
    stage: Stage = silent,
) -> Swept:
    """Prune every model by every budget and rule with every seed, and judge all on validation: one table in `out`.

    models: folders of trained models of the same data. budgets: None takes `FACTORS`. data: None takes what the models
    were trained on. options: of each fine-tuning, all of them or those that are not as usual. A trial that stands in
    `out` is not made again, so that the same call goes on where it was cut off, and one with more budgets makes only
    what is new. The numbers are the same for every engine and number of workers; milliseconds are not, and are best
    measured anew (`recprune bench`). The test part is not read. Raises DataError for models of different data, for data
    without a validation part and for a metric that there is not, before anything is pruned, and what a trial raises; a
    budget that cannot be met stands in `refused`.
    """
    scale, out = scale or Scale(), Path(out).resolve()
    grid = _grid(models, budgets, rules, seeds, data, own, options)
    out.mkdir(parents=True, exist_ok=True)
    with lock(out / SWEEP), load(engines, scale.engine)(scale.workers) as engine, stage("sweep") as say:
        trials, found = [trial for group in grid for trial in group], list[dict[str, Any]]()
        for end in (len(trials),) if metric is None else (len(models), len(trials)):
            for said in engine.trials(partial(tried, trials, out / TRIALS), range(len(found), end)):
                found.append(said)
                say(f"{len(found)} of {len(trials)} trials")
                if metric is not None and "metrics" in said:
                    value_of(said["metrics"], metric)
    tidy(out / TRIALS)
    swept = _gathered(grid, found, tuple(seeds), metric)
    write_bytes(out / SWEEP, swept.to_json().encode())
    return swept


def _grid(
    models: Sequence[str | Path],
    budgets: Sequence[Budget] | None,
    rules: Sequence[str | None],
    seeds: Sequence[int],
    data: str | Path | None,
    own: str | None,
    options: FitOptions | Said | None,
) -> list[list[Trial]]:
    """Trials of one row of the table each; the models as they are first."""
    amounts = [usual_budget(factor) for factor in FACTORS] if budgets is None else list(budgets)
    places = [Path(model).resolve() for model in models]
    asked: dict[str, Sequence[Hashable]] = {"model": places, "budget": amounts, "rule": rules, "seed": seeds}
    for name, values in asked.items():
        if not values or len(set(values)) < len(values):
            raise DataError(f"a sweep takes each {name} once, and one at least; there are {[*values]}", asked=name)
    of = _data_of(places, None if data is None else Path(data).resolve(), own)
    plain = [[Trial(place, of, None, None, 0, options, own)] for place in places]
    cells = product(places, amounts, rules)
    return plain + [[Trial(m, of, b, r, seed, options, own) for seed in seeds] for m, b, r in cells]


def _data_of(places: Sequence[Path], data: Path | None, own: str | None) -> Path:
    """The one prepared folder that all models are of; each is looked at before any work is done."""
    found = set[Path]()
    for place in places:
        shelved = take(place, own, data)
        if not len(shelved.split(data).valid):
            raise DataError("a sweep is judged on validation, and that part is empty; split with a share for it")
        found.add((data or shelved.data or place).resolve())
    if len(found) > 1:
        raise DataError(f"these models are of different data: {', '.join(map(str, sorted(found)))}; sweep each alone")
    return found.pop()


def _gathered(
    grid: list[list[Trial]], found: list[dict[str, Any]], seeds: tuple[int, ...], metric: str | None
) -> Swept:
    rows, refused, left, dense = list[Tried](), dict[str, str](), iter(found), dict[Path, int]()
    names = _told_apart(str(group[0].model) for group in grid)
    for number, group in enumerate(grid):
        said = [next(left) for _ in group]
        first, why = group[0], [one["refused"] for one in said if "refused" in one]
        if why:
            refused[f"{names[str(first.model)]}, {_amount(first)}, {first.rule or 'the usual rule'}"] = why[0]
        else:
            before = dense.setdefault(first.model, said[0]["features"] + said[0]["network"])
            rows.append(_row(number, first, said, before))
    if not any(row.budget for row in rows):
        raise BudgetError(f"no budget can be met: {next(iter(refused.values()))}")
    asked = metric or headline_of(rows[0].point)
    marked = fronted([row.point for row in rows], asked)
    return Swept(tuple(replace(r, point=p) for r, p in zip(rows, marked, strict=True)), asked, seeds, refused)


def _told_apart(places: Iterable[str]) -> dict[str, str]:
    """Each path -> the shortest end of it that no other has: its name, where that is enough."""
    parts = {place: Path(place).parts for place in places}
    out = {}
    for place, own in parts.items():
        others = [other for name, other in parts.items() if name != place]
        lengths = (n for n in range(1, len(own)) if all(other[-n:] != own[-n:] for other in others))
        out[place] = Path(*own[-next(lengths, len(own)) :]).as_posix()
    return out


def _amount(trial: Trial) -> str:
    return "" if trial.budget is None else trial.budget.amount


def _row(number: int, trial: Trial, said: list[dict[str, Any]], before: int) -> Tried:
    """before: parameters of the model as it was given."""
    metrics = {name: _mean([one["metrics"].get(name) for one in said]) for name in said[0]["metrics"]}
    features, network, size = (round(fmean(one[name] for one in said)) for name in ("features", "network", "bytes"))
    left = 1 - (features + network) / before
    request, epochs = median(one["request"] for one in said), max(one.get("epochs", 0) for one in said)
    point = Point(number, left, "", features, network, size, request, epochs, metrics)
    folders = tuple(one["folder"] for one in said)
    return Tried(str(trial.model), _amount(trial), trial.rule or said[0].get("rule", ""), point, folders)


def _mean(values: list[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return fmean(there) if len(there) == len(values) else None
