"""frontier(): quality against bytes and milliseconds of one trained model, from one run of pruning in steps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn

from recprune.data.dataset import Split
from recprune.errors import BudgetError, DataError
from recprune.evaluation.evaluate import evaluate
from recprune.evaluation.formulas import LOWER_IS_BETTER
from recprune.evaluation.inputs import Renumber, example
from recprune.evaluation.size import size_of
from recprune.evaluation.timing import timed
from recprune.importance.score import Rule
from recprune.packing import pack, storing
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.recipe.pruned import Pruned, followed
from recprune.recipe.restrict import restrict
from recprune.recipe.shrinking import shrinking
from recprune.recipe.stages import Stage, silent
from recprune.tracing.trace import survey
from recprune.training.fit import FitOptions
from recprune.training.usual import usual_tuning

__all__ = [
    "ENCODINGS",
    "FACTORS",
    "Frontier",
    "Point",
    "fronted",
    "frontier",
    "headline_of",
    "points",
    "rising",
    "share_lost",
    "value_of",
]

FACTORS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99)
"""Shares of the parameters that have left at each step."""

ENCODINGS = ("int8_rows", "int4_rows")
"""How each smaller model is stored besides."""

RATED = 4096
"""Rows, or users, that units are rated on: a quarter of what one plan alone is made on."""

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Point:
    """One model of a frontier. step: 0 is the model that was given. factor: share of its parameters that has left.

    encoding: of all matrices that can be packed, empty for floats. epochs: of fine-tuning so far. metrics: on the
    validation part. request: milliseconds of one user or row. front: no other point is as good in fewer bytes.
    """

    step: int
    factor: float
    encoding: str
    features: int
    network: int
    bytes: int
    request: float
    epochs: int
    metrics: Mapping[str, float | None]
    front: bool = False

    @property
    def name(self) -> str:
        """What to call it."""
        cut = "dense" if self.step == 0 else f"{self.factor:.1%} removed"
        return f"{cut}, {self.encoding}" if self.encoding else cut


@dataclass(frozen=True, slots=True)
class Frontier:
    """Points in the order they were made; metric: the headline that tells which points are on the front."""

    points: tuple[Point, ...]
    metric: str
    seed: int
    epochs: int

    def smallest(self, share: float) -> Point:
        """The point of fewest bytes that loses at most that share of the headline metric. Raises BudgetError."""
        good = [p for p in self.points if share_lost(p, self.points[0], self.metric) <= share]
        return min(good, key=lambda p: p.bytes)

    def to_json(self) -> str:
        """All of it as text."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Frontier:
        """Read it back. Raises DataError for text that is none."""
        try:
            content = json.loads(text)
            if content["format"] != FORMAT:
                raise ValueError("written by another version")
            points = tuple(Point(**point) for point in content["points"])
            return cls(points, str(content["metric"]), int(content["seed"]), int(content["epochs"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"this is no frontier: {type(error).__name__} {error}") from error


def frontier(
    model: nn.Module,
    split: Split,
    *,
    factors: Sequence[float] | None = None,
    encodings: Sequence[str] = ENCODINGS,
    budget: Budget | None = None,
    rule: str | Rule | None = None,
    metric: str | None = None,
    options: FitOptions | None = None,
    distilled: bool = False,
    folder: Path | None = None,
    seed: int = 0,
    stage: Stage = silent,
) -> Frontier:
    """Prune a trained model further and further, fine-tuning a little each time, and judge every stop on validation.

    options: of all fine-tuning together, in parts that grow, each with a schedule of its own: with those of the dense
    training a whole frontier costs no more again (None: `usual_tuning`, two epochs a stop). encodings: each stop is
    stored in these ways too. budget: its kinds, sites, floor and multiple hold at every stop, whatever amount it says;
    its keep is a share of what stays then (None: every site keeps half of the share that stays). metric: the headline;
    None takes the usual one. folder: where the models of the steps are kept; a run that was stopped goes on there. The
    test part is not read.
    factors: None takes those of `FACTORS` that can be reached. Raises BudgetError where one that is named cannot, and
    DataError for a metric that there is not, both before anything is pruned.
    """
    made, headline = list[Point](), metric or ""
    for point, _ in points(
        model,
        split,
        factors=factors,
        encodings=encodings,
        budget=budget,
        rule=rule,
        options=options,
        distilled=distilled,
        folder=folder,
        seed=seed,
        stage=stage,
    ):
        headline = headline or headline_of(point)
        value_of(point.metrics, headline)
        made.append(point)
    marked = fronted(made, headline)
    return Frontier(marked, headline, seed, max(point.epochs for point in marked))


def points(
    model: nn.Module,
    split: Split,
    *,
    factors: Sequence[float] | None = None,
    encodings: Sequence[str] = ENCODINGS,
    budget: Budget | None = None,
    rule: str | Rule | None = None,
    options: FitOptions | None = None,
    distilled: bool = False,
    folder: Path | None = None,
    seed: int = 0,
    stage: Stage = silent,
) -> Iterator[tuple[Point, Pruned | None]]:
    """Point by point, with the pruned model (of floats) that it is of; None for the model that was given."""
    if not len(split.valid):
        raise DataError("a frontier is judged on validation, and that part is empty; split with a share for it")
    held = budget or Budget(0.0, keep=0.5)
    budgets = _budgets(model, split, held, factors)
    whole = size_of(model)
    parameters = whole[0] + whole[1]
    yield from ((point, None) for point in _stop(model, split, 0, 0.0, 0, encodings, stage))
    way = shrinking(
        model,
        split,
        budgets,
        rule=rule,
        tunings=rising(options or usual_tuning(model, split, epochs=2 * len(budgets)), len(budgets)),
        distilled=distilled,
        most=RATED,
        anew=False,
        folder=folder,
        seed=seed,
        stage=stage,
    )
    for number, pruned in enumerate(way, 1):
        features, network, _ = size_of(pruned.model)
        left = 1 - (features + network) / parameters
        done = len(pruned.fit.history) if pruned.fit else 0
        for point in _stop(pruned.model, split, number, left, done, encodings, stage, pruned.renumber):
            yield point, pruned


def _budgets(model: nn.Module, split: Split, held: Budget, factors: Sequence[float] | None) -> list[Budget]:
    """A budget a stop, all of which can be met: told before any work is done."""
    asked = FACTORS if factors is None else factors
    if not asked or list(asked) != sorted(set(asked)) or not 0 < asked[0] <= asked[-1] < 1:
        raise BudgetError(f"factors must rise within 0..1, not {', '.join(f'{f:g}' for f in asked)}")
    found = followed(survey(model, example(model, split)), split)
    even = {site.name: torch.ones(site.size) for site in found.sites}
    out: list[Budget] = []
    for f in asked:
        keep = held.keep * (1 - f)
        stop = replace(held, factor=f, bytes=None, milliseconds=None, max_drop=None, keep=keep)
        try:
            choose(found, even, stop)
        except BudgetError:
            if factors is not None or not out:
                raise
            break
        out.append(stop)
    return out


def rising(options: FitOptions, stops: int) -> list[FitOptions]:
    """The epochs of a training among stops, one each at least, in parts that grow evenly: what is large loses little
    and trains slowly, what is small loses much and trains fast."""
    more = max(options.epochs - stops, 0)
    ends = [round(more * stop * (stop + 1) / (stops * (stops + 1))) for stop in range(stops + 1)]
    counts = sorted(1 + end - begin for begin, end in pairwise(ends))
    return [replace(options, epochs=n, patience=n, seed=options.seed + stop) for stop, n in enumerate(counts)]


def _stop(
    model: nn.Module,
    split: Split,
    step: int,
    factor: float,
    epochs: int,
    encodings: Sequence[str],
    stage: Stage,
    renumber: Renumber | None = None,
) -> Iterator[Point]:
    """A model as it is, and stored in each way that makes it smaller. It is judged on everybody, those who left it
    too: renumber: old code -> new code, of the codes of the split."""
    own = restrict(split, renumber or {})
    batch, ways = example(model, own), {"": model}
    for name in encodings:
        stored = storing(model, name)
        if stored:
            ways[name] = pack(model, stored, batch)
    with stage("judge") as say:
        speeds = timed(ways, own, rows=1)
        for name, one in ways.items():
            say(f"step {step} {name}")
            metrics = evaluate(one, split, part="valid", renumber=renumber or None).mean
            yield Point(step, factor, name, *size_of(one), speeds[name].median, epochs, dict(metrics))


def share_lost(point: Point, dense: Point, metric: str) -> float:
    """Share of the dense model's value of a metric that is lost; below 0 where something was gained."""
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    before = value_of(dense.metrics, metric)
    return sign * (before - value_of(point.metrics, metric)) / abs(before) if before else 0.0


def fronted(made: Sequence[Point], metric: str) -> tuple[Point, ...]:
    """Points with `front` set: none in as few bytes is better, none as good is smaller."""
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    out = []
    for one in made:
        value = sign * value_of(one.metrics, metric)
        beaten = any(
            (sign * value_of(other.metrics, metric), -other.bytes) != (value, -one.bytes)
            and sign * value_of(other.metrics, metric) >= value
            and other.bytes <= one.bytes
            for other in made
        )
        out.append(replace(one, front=not beaten))
    return tuple(out)


def headline_of(point: Point) -> str:
    """The usual metric among those that a point has."""
    there = [name for name, value in point.metrics.items() if value is not None]
    return next(iter([*(n for n in there if n.startswith(("ndcg", "auc", "rmse"))), *there]))


def value_of(metrics: Mapping[str, float | None], metric: str) -> float:
    """One of the metrics of a point. Raises DataError where there is none of that name."""
    value = metrics.get(metric)
    if value is None:
        raise DataError(f"no metric {metric!r} here; there are: {', '.join(metrics)}", metric=metric)
    return value
