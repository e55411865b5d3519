"""Schedule: when what leaves leaves, and how a smaller model comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from recprune.data.dataset import Split
from recprune.errors import TrainingError
from recprune.importance.score import Rule
from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.recipe.early import early
from recprune.recipe.frontier import ENCODINGS
from recprune.recipe.gradual import gradual
from recprune.recipe.meet import within_drop
from recprune.recipe.pruned import Pruned, carry_out
from recprune.recipe.rewind import rewind
from recprune.recipe.shelf import Work
from recprune.recipe.stages import Stage, silent
from recprune.training.fit import FitOptions

__all__ = ["SCHEDULES", "Given", "Schedule", "follow"]

SCHEDULES = ("oneshot", "gradual", "early", "rewind")


@dataclass(frozen=True, slots=True)
class Schedule:
    """name: "oneshot" (a trained model is cut once and fine-tuned), "gradual" (it is cut and fine-tuned in `steps`
    steps), "early" (a fresh one is cut after epoch `after` of its training; None: a third of it) or "rewind" (what the
    trained one keeps is trained again from the weights of epoch `to`). distilled: the trained model teaches.

    Raises TrainingError for a name that there is not, and where nobody could teach.
    """

    name: str = "oneshot"
    steps: int = 5
    after: int | None = None
    to: int = 1
    distilled: bool = False

    def __post_init__(self) -> None:
        if self.name not in SCHEDULES:
            raise TrainingError(f"no schedule {self.name!r}; there are: {', '.join(SCHEDULES)}", schedule=self.name)
        if self.distilled and self.name == "early":
            raise TrainingError("what is pruned early has no trained model to learn from; take another schedule")

    @property
    def planned(self) -> bool:
        """True where one plan of the trained model says what leaves, before anything does."""
        return self.name in ("oneshot", "rewind")


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What a schedule may need. trained: the large model; works: its trainings; fresh: gives it as it was built.

    options, tuning: of its training and of the fine-tuning. plan: of the trained model, where the schedule is planned;
    else budget and rule tell what leaves. encodings: that may store what stays, as `prune` takes them. checkpoint: a
    file beside which unfinished trainings are kept; folder: for the models of the steps.
    """

    trained: nn.Module
    works: tuple[Work, ...]
    fresh: Callable[[], nn.Module]
    split: Split
    options: FitOptions
    tuning: FitOptions
    budget: Budget
    rule: str | Rule | None = None
    plan: Plan | None = None
    checkpoint: Path | None = None
    folder: Path | None = None
    seed: int = 0
    encodings: tuple[str, ...] | None = None


def follow(schedule: Schedule, given: Given, *, stage: Stage = silent) -> tuple[Pruned, tuple[Work, ...]]:
    """A smaller model by a schedule, and all trainings that it took. Raises what the schedule raises.

    A budget that says what may be lost is met in steps of its own, whatever the schedule (which must be one that cuts a
    trained model).
    """
    if given.budget.max_drop is not None:
        return _within_drop(schedule, given, stage)
    return _WAYS[schedule.name](schedule, given, stage)


Made = tuple[Pruned, tuple[Work, ...]]


def _oneshot(schedule: Schedule, given: Given, stage: Stage) -> Made:
    options = replace(given.tuning, checkpoint=given.checkpoint)
    done = carry_out(
        given.trained, given.split, _plan(given), options=options, distilled=schedule.distilled, stage=stage
    )
    return done, (*given.works, *_work("finetune", done, given.tuning, schedule))


def _gradual(schedule: Schedule, given: Given, stage: Stage) -> Made:
    done = gradual(
        given.trained,
        given.split,
        budget=given.budget,
        steps=schedule.steps,
        rule=given.rule,
        options=given.tuning,
        distilled=schedule.distilled,
        encodings=given.encodings,
        folder=given.folder,
        seed=given.seed,
        stage=stage,
    )
    return done, (*given.works, *_work("finetune", done, given.tuning, schedule))


def _within_drop(schedule: Schedule, given: Given, stage: Stage) -> Made:
    if schedule.name in ("early", "rewind"):
        raise TrainingError(f"{given.budget.amount} is met by cutting a trained model in steps, not {schedule.name}")
    done = within_drop(
        given.trained,
        given.split,
        given.budget,
        encodings=ENCODINGS if given.encodings is None else given.encodings,
        rule=given.rule,
        options=given.tuning,
        distilled=schedule.distilled,
        folder=given.folder,
        seed=given.seed,
        stage=stage,
    )
    return done, (*given.works, *_work("finetune", done, given.tuning, schedule))


def _early(schedule: Schedule, given: Given, stage: Stage) -> Made:
    options = replace(given.options, checkpoint=given.checkpoint)
    done = early(
        given.fresh(),
        given.split,
        budget=given.budget,
        rule=given.rule,
        encodings=given.encodings,
        options=options,
        after=schedule.after,
        seed=given.seed,
        stage=stage,
    )
    return done, _work("train", done, given.options, schedule)


def _rewind(schedule: Schedule, given: Given, stage: Stage) -> Made:
    options = replace(given.options, checkpoint=given.checkpoint)
    teacher = given.trained if schedule.distilled else None
    done = rewind(
        given.fresh(), given.split, _plan(given), options=options, to=schedule.to, teacher=teacher, stage=stage
    )
    return done, (*given.works, *_work("rewind", done, given.options, schedule))


_WAYS: dict[str, Callable[[Schedule, Given, Stage], Made]] = {
    "oneshot": _oneshot,
    "gradual": _gradual,
    "early": _early,
    "rewind": _rewind,
}


def _plan(given: Given) -> Plan:
    if given.plan is None:
        raise TrainingError("this schedule needs the plan of what leaves; make one with recprune.recipe.prune.plan")
    return given.plan


def _work(what: str, done: Pruned, options: FitOptions, schedule: Schedule) -> tuple[Work, ...]:
    return () if done.fit is None else (Work.of(what, done.fit, options, distilled=schedule.distilled),)
