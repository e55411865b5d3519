"""Comparison: a model before and after, and its rivals, as plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recprune.errors import DataError
from recprune.evaluation import words
from recprune.evaluation.reach import Reach
from recprune.evaluation.scores import finite
from recprune.evaluation.speed import Speed

__all__ = ["Comparison", "Difference", "Side"]

FORMAT = 2
KNOWN = (1, FORMAT)
"""Formats that can be read: 1 had neither reach nor what is said of it, nor seeds."""

Influences = Mapping[str, Mapping[str, NDArray[np.float32]]]


@dataclass(frozen=True, slots=True)
class Side:
    """One model: its parameters (features P, network Q), bytes of all tensors, speed and metrics.

    request: one user, or one row; thousand: a batch of 1,000, or of as many as the part has. reach: of a model that
    ranks. fallen: column -> cases that hold an id which left the model, so that the unknown one answers. spread: metric
    -> standard deviation over seeds, where there are several.
    """

    features: int
    network: int
    bytes: int
    metrics: Mapping[str, float | None]
    request: Speed | None = None
    thousand: Speed | None = None
    reach: Reach | None = None
    fallen: Mapping[str, int] = field(default_factory=dict)
    spread: Mapping[str, float] = field(default_factory=dict)

    @property
    def parameters(self) -> int:
        """P + Q."""
        return self.features + self.network


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric of a model minus that of the model before, on the same cases.

    standard_error, low, high: None where a metric is not of single cases (coverage) or says nothing. margin: how far
    from 0 a difference may be and still count as equal. verdict: "better", "worse", "equal" (the whole interval within
    the margin), "open" (the interval allows more than one of these) or "not tested".
    """

    metric: str
    value: float | None
    standard_error: float | None
    low: float | None
    high: float | None
    margin: float | None
    verdict: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """before and after with their rivals; differences: model -> what it is away from before, metric by metric.

    against: rival -> what `after` is away from it in the headline. cases, unit: how many users or rows were judged.
    level: of the intervals. why: metric -> why it says nothing. without: rival -> why it is not there. seeds: of the
    trainings, where several were made: sides are then their means, and intervals hold for other seeds too
    (`over_seeds`). influence: model -> metric -> (cases,) what each case adds to the difference, around 0; only where
    it was asked for, and never in the text.
    """

    sides: Mapping[str, Side]
    differences: Mapping[str, tuple[Difference, ...]]
    part: str
    cases: int
    unit: str
    seed: int
    bootstrap: int
    level: float
    formulas: Mapping[str, str]
    why: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    against: Mapping[str, Difference] = field(default_factory=dict)
    without: Mapping[str, str] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    influence: Influences = field(default_factory=dict, compare=False, repr=False)

    @property
    def before(self) -> Side:
        """The model as it was."""
        return self.sides["before"]

    @property
    def after(self) -> Side:
        """The smaller model."""
        return self.sides["after"]

    @property
    def rivals(self) -> dict[str, Side]:
        """The other models of the comparison."""
        return {name: side for name, side in self.sides.items() if name not in ("before", "after")}

    @property
    def headline(self) -> str:
        """The metric to look at first: NDCG of lists, AUC of clicks (logloss where there is none), RMSE of ratings."""
        there = [name for name, value in self.before.metrics.items() if value is not None]
        first = [name for name in there if name.startswith(("ndcg", "auc", "rmse"))]
        return next(iter([*first, *there]))

    def difference(self, metric: str, model: str = "after") -> Difference:
        """How far a model is from before in a metric. Raises DataError for a name that is not there."""
        for one in self.differences.get(model, ()):
            if one.metric == metric:
                return one
        raise DataError(f"no metric {metric!r} of {model!r} in this comparison", metric=metric, model=model)

    def sentence(self, metric: str, model: str = "after") -> str:
        """The verdict on one metric in plain words."""
        return words.sentence(self, self.difference(metric, model), model)

    def verdict(self) -> str:
        """Better, equal or worse; what left and what it brought; what rivals make of it; who lost. In plain words."""
        parts = (self.sentence(self.headline) + ".", *words.gains(self), words.rivals(self), *words.losses(self))
        return " ".join(part for part in parts if part)

    def to_json(self) -> str:
        """All of it as text, but for `influence`, and null for numbers that are not finite, which JSON has not;
        `Comparison.from_json` gives it back."""
        content = asdict(replace(self, influence={}))
        del content["influence"]
        return json.dumps(finite({"format": FORMAT, **content}), indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Comparison:
        """Read a comparison back. Raises DataError for text that is none."""
        try:
            content = json.loads(text, parse_constant=lambda _: None)
            if content.pop("format") not in KNOWN:
                raise ValueError("written by another version")
            content["sides"] = {name: _side(side) for name, side in content["sides"].items()}
            content["differences"] = {
                model: tuple(Difference(**one) for one in rows) for model, rows in content["differences"].items()
            }
            content["against"] = {name: Difference(**one) for name, one in content.get("against", {}).items()}
            content["seeds"] = tuple(content.get("seeds", ()))
            return cls(**content)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                f"this is no comparison: {type(error).__name__} {error}; `recprune compare --json` writes one"
            ) from error


def _side(content: dict[str, Any]) -> Side:
    for name in ("request", "thousand"):
        if content[name] is not None:
            content[name] = Speed(**{**content[name], "samples": tuple(content[name]["samples"])})
    reach = content.get("reach")
    return Side(**{**content, "reach": None if reach is None else Reach(**reach)})
