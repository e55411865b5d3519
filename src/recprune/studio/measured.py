"""measured(): a plan carried out, and the smaller model beside the one that it was made of, on validation."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.data.dataset import Split
from recprune.evaluation import words
from recprune.evaluation.compare import compare
from recprune.evaluation.comparison import Comparison
from recprune.evaluation.evaluate import task_of
from recprune.evaluation.inputs import Renumber, known, ranks, row_inputs, user_inputs
from recprune.evaluation.speed import Speed, compare_speed, ratio
from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.recipe.pruned import Pruned, carry_out
from recprune.studio.job import Job
from recprune.studio.told import print_of
from recprune.training.options import FitOptions
from recprune.training.usual import usual_tuning

__all__ = ["Made", "made", "measured", "tuning_of"]

MANY = 100
"""Users, or rows, of the second timing."""
SECONDS = 3.0
"""That a model is timed for, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A plan that was carried out. options: of the fine-tuning, None where there was none."""

    pruned: Pruned
    options: FitOptions | None

    def of(self, plan: Plan, options: FitOptions | None) -> bool:
        """Whether this is what the plan and the fine-tuning would make."""
        return print_of(plan) == print_of(self.pruned.plan) and options == self.options


def tuning_of(model: nn.Module, split: Split, epochs: int, seed: int) -> FitOptions | None:
    """Fine-tuning for so many epochs, as `recprune finetune` does it; None for 0."""
    return usual_tuning(model, split, epochs=epochs, seed=seed) if epochs else None


def made(model: nn.Module, split: Split, plan: Plan, options: FitOptions | None, job: Job) -> Made:
    """Cut, fine-tune and store as the plan says. split: in the codes of the model."""
    with job.watched():
        pruned = carry_out(model, split, plan, options=options, finetuned=options is not None, stage=job.stage)
    return Made(pruned, options)


def measured(
    model: nn.Module,
    split: Split,
    small: Made,
    job: Job,
    *,
    k: int = 20,
    seed: int = 0,
    threads: int | None = None,
    repeats: int = 50,
) -> dict[str, Any]:
    """Quality on validation with intervals, parameters, bytes and milliseconds of both, as plain data.

    The test part is not looked at. Raises DataError where there is no validation part.
    """
    after, codes = small.pruned.model, small.pruned.renumber
    with job.stage("compare on validation"), job.watched():
        renumber = {"after": codes} if codes else None
        found = compare(model, after, split, "valid", renumber=renumber, k=k, seed=seed, repeats=0)
    with job.stage("time") as say:
        times = {}
        for name, rows, on in _ways(small.pruned.plan.budget, threads):
            say(f"{rows:,} at once")
            times[name] = _timed(model, after, split, codes, rows, k, repeats, on)
    return {**_told(found), "times": {name: _times(one) for name, one in times.items()}}


def _ways(budget: Budget, threads: int | None) -> list[tuple[str, int, int | None]]:
    """Name, rows and threads of each timing; what was asked in milliseconds is timed as it was asked too."""
    ways = [("request", 1, threads), ("many", MANY, threads)]
    return ways if budget.milliseconds is None else [("asked", budget.rows, 1), *ways]


def _told(found: Comparison) -> dict[str, Any]:
    content = json.loads(found.to_json())
    sides = {name: {**content["sides"][name], "parameters": found.sides[name].parameters} for name in found.sides}
    told = {
        name: {part: side[part] for part in ("features", "network", "parameters", "bytes", "metrics")}
        for name, side in sides.items()
    }
    names = ("part", "cases", "unit", "formulas", "level")
    rest = {name: content[name] for name in names}
    return {
        **told,
        **rest,
        "differences": content["differences"]["after"],
        "headline": found.headline,
        "verdict": " ".join([f"{found.sentence(found.headline)}.", *words.gains(found)]),
        "losses": list(words.losses(found)),
    }


def _timed(
    model: nn.Module,
    after: nn.Module,
    split: Split,
    codes: Renumber,
    rows: int,
    k: int,
    repeats: int,
    threads: int | None,
) -> dict[str, Speed]:
    cases = _cases(model, split)
    cases = np.resize(cases, rows) if rows > 1 else cases[len(cases) // 2 :][:1]
    inputs = {"before": _inputs(model, split, cases, {}), "after": _inputs(after, split, cases, codes)}
    listed = k if task_of(model, split) == "ranking" else None
    return compare_speed(
        {"before": model, "after": after}, inputs, k=listed, repeats=repeats, threads=threads, seconds=SECONDS
    )


def _cases(model: nn.Module, split: Split) -> NDArray[np.int64]:
    """Users with something in validation and before it, or rows of validation."""
    if not ranks(model):
        return np.arange(len(split.valid))
    return np.flatnonzero((known(split, "valid").counts() > 0) & (split.valid.histories().counts() > 0))


def _inputs(model: nn.Module, split: Split, cases: NDArray[np.int64], codes: Renumber) -> tuple[Tensor, ...]:
    if ranks(model):
        return user_inputs(model, known(split, "valid"), cases, renumber=codes)
    return row_inputs(model, split.valid, cases, renumber=codes)


def _times(both: dict[str, Speed]) -> dict[str, Any]:
    sides = {name: {n: v for n, v in asdict(one).items() if n != "samples"} for name, one in both.items()}
    middle, low, high = ratio(both["before"], both["after"])
    return {**sides, "ratio": {"median": middle, "low": low, "high": high}}
