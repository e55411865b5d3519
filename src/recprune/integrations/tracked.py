"""numbers_of(): what a comparison or a plan's account says, as flat numbers for experiment trackers."""

from __future__ import annotations

import math
from collections.abc import Iterator

from recprune.evaluation.comparison import Comparison, Side
from recprune.planning.plan import Plan

__all__ = ["numbers_of"]


def numbers_of(comparison: Comparison | None = None, plan: Plan | None = None) -> dict[str, float]:
    """Name -> number, "after/ndcg@20" or "account/bytes_after"; what says nothing is left out.

    Of a comparison: every model's metrics, parameters (P, Q), bytes and median milliseconds, and what `after` is away
    from `before`. Of a plan: its account.
    """
    out: dict[str, float] = {}
    if comparison is not None:
        for model, side in comparison.sides.items():
            out |= {f"{model}/{name}": value for name, value in _of_side(side)}
        changes = comparison.differences.get("after", ())
        out |= {f"difference/{one.metric}": one.value for one in changes if one.value is not None}
    if plan is not None:
        totals = plan.account().to_dict()
        out |= {f"account/{name}": float(value) for name, value in totals.items() if name != "rows"}
    return {name: value for name, value in out.items() if math.isfinite(value)}


def _of_side(side: Side) -> Iterator[tuple[str, float]]:
    yield from ((name, value) for name, value in side.metrics.items() if value is not None)
    yield from (("features", side.features), ("network", side.network), ("bytes", side.bytes))
    for name, speed in (("ms_request", side.request), ("ms_thousand", side.thousand)):
        if speed is not None:
            yield name, speed.median
