"""Scores: what an evaluation found, in the mean and of every case."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recprune.evaluation.formulas import formula
from recprune.evaluation.reach import Reach

__all__ = ["Part", "Scores", "finite", "from_parts"]

ROOTED = frozenset({"rmse"})


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What each case adds to a metric, which is sum(values) / sum(weights).

    values: (cases,) float64. weights: the same length; None means 1 for every case.
    """

    values: NDArray[np.float64]
    weights: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Metrics of one model on one part of a split.

    mean: metric -> number, or None where it says nothing (`why` gives the reason).
    parts: metric -> what each case added (users in ranking, rows otherwise); coverage and AUC are not of single cases
    and have none. cases: (n,) codes of the users, or numbers of the rows. unit: "user" or "row".
    left_out: what was not counted, and how many. raw: what the metrics were made of: `top` (n, k) the recommended
    items; `score`, `label` or `rating` (n,). reach: of a model that ranks. fallen: column -> cases that hold an id
    which left the model.
    """

    mean: Mapping[str, float | None]
    parts: Mapping[str, Part]
    cases: NDArray[np.int64]
    unit: str
    part: str
    why: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    raw: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    reach: Reach | None = None
    fallen: Mapping[str, int] = field(default_factory=dict)

    @property
    def per_case(self) -> dict[str, NDArray[np.float64]]:
        """Metric -> (n,) the number of every case; NaN where a case does not count (as in tail recall)."""
        out = {}
        for name, part in self.parts.items():
            counts = np.ones(len(part.values)) if part.weights is None else part.weights
            out[name] = np.divide(part.values, counts, out=np.full(len(counts), np.nan), where=counts > 0)
        return out

    def to_json(self) -> str:
        """Means (null where they are not finite), reasons, formulas and counts, as text, without the cases."""
        content = {
            "part": self.part,
            "unit": self.unit,
            "cases": len(self.cases),
            "mean": dict(self.mean),
            "why": dict(self.why),
            "left_out": dict(self.left_out),
            "formulas": {name: formula(name) for name in self.mean},
            "reach": None if self.reach is None else asdict(self.reach),
            "fallen": dict(self.fallen),
        }
        return json.dumps(finite(content), indent=2, allow_nan=False)


def finite(content: Any) -> Any:
    """Plain data with None for numbers that are not finite, which JSON has not."""
    if isinstance(content, dict):
        return {name: finite(one) for name, one in content.items()}
    if isinstance(content, list | tuple):
        return [finite(one) for one in content]
    return None if isinstance(content, float) and not isfinite(content) else content


def from_parts(parts: Mapping[str, Part]) -> tuple[dict[str, float | None], dict[str, str]]:
    """Means of the parts, and why one has none: nothing to divide by."""
    mean: dict[str, float | None] = {}
    why = {}
    for name, part in parts.items():
        below = float(len(part.values)) if part.weights is None else float(part.weights.sum())
        if below == 0:
            mean[name], why[name] = None, "no case counts"
        else:
            ratio = float(part.values.sum()) / below
            mean[name] = ratio**0.5 if name in ROOTED else ratio
    return mean, why
