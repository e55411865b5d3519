"""Comparison: a model before and after, and its rivals, as plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from recprune.errors import DataError
from recprune.evaluation.formulas import LOWER_IS_BETTER
from recprune.evaluation.speed import Speed, ratio

__all__ = ["Comparison", "Difference", "Side"]

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Side:
    """One model: its parameters (features P, network Q), bytes of all tensors, speed and metrics.

    request: one user, or one row; thousand: a batch of 1,000, or of as many as the part has.
    """

    features: int
    network: int
    bytes: int
    metrics: Mapping[str, float | None]
    request: Speed | None = None
    thousand: Speed | None = None

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

    cases, unit: how many users or rows were judged. level: of the intervals. why: metric -> why it says nothing.
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
        return _sentence(self, self.difference(metric, model), model)

    def verdict(self) -> str:
        """What left, what it cost and what it brought, in plain words."""
        parts = [_size(self.before, self.after), self.sentence(self.headline) + "."]
        if self.before.request and self.after.request:
            times, low, high = ratio(self.before.request, self.after.request)
            parts.append(f"A request is {times:.2f} times as fast (8 of 10 repeats: {low:.2f} to {high:.2f}).")
        return " ".join(parts)

    def to_json(self) -> str:
        """All of it as text; `Comparison.from_json` gives it back."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Comparison:
        """Read a comparison back. Raises DataError for text that is none."""
        try:
            content = json.loads(text)
            if content.pop("format") != FORMAT:
                raise ValueError("written by another version")
            content["sides"] = {name: _side(side) for name, side in content["sides"].items()}
            content["differences"] = {
                model: tuple(Difference(**one) for one in rows) for model, rows in content["differences"].items()
            }
            return cls(**content)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                f"this is no comparison: {type(error).__name__} {error}; `recprune compare --json` writes one"
            ) from error


def _side(content: dict[str, Any]) -> Side:
    for name in ("request", "thousand"):
        if content[name] is not None:
            content[name] = Speed(**{**content[name], "samples": tuple(content[name]["samples"])})
    return Side(**content)


def _size(before: Side, after: Side) -> str:
    gone, fewer = 1 - after.bytes / max(before.bytes, 1), 1 - after.parameters / max(before.parameters, 1)
    return f"{gone:.1%} of the bytes and {fewer:.1%} of the parameters are gone."


def _sentence(comparison: Comparison, one: Difference, model: str) -> str:
    before, after = comparison.before.metrics[one.metric], comparison.sides[model].metrics[one.metric]
    if before is None or after is None or one.value is None:
        return f"{one.metric} says nothing: {comparison.why.get(one.metric, 'no number')}"
    told = f"{one.metric} {before:.4f} → {after:.4f} ({one.value:+.4f}"
    if one.low is None or one.high is None:
        return f"{told}, not tested)"
    told += f", {comparison.level:.0%} interval {one.low:+.4f} to {one.high:+.4f})"
    words = {
        "equal": f"equal within {one.margin:.4f}",
        "better": "better" + (" (lower is better)" if one.metric in LOWER_IS_BETTER else ""),
        "worse": "worse" + (" (lower is better)" if one.metric in LOWER_IS_BETTER else ""),
        "open": f"not told apart, nor shown equal within {one.margin:.4f}",
    }
    return f"{told}: {words[one.verdict]}"
