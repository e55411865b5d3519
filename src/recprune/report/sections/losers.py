"""Who lost: rare items, coverage, ids that left, and groups of users."""

from __future__ import annotations

import numpy as np

from recprune.evaluation import words
from recprune.evaluation.comparison import Comparison
from recprune.evaluation.formulas import LOWER_IS_BETTER
from recprune.report.blocks import Block, Cell, Range, Ranges, Section, Table, Value, Words
from recprune.report.found import Found
from recprune.report.groups import Group, groups
from recprune.report.judged import Judged
from recprune.report.lacking import no_comparison, no_data
from recprune.report.told import signed

__all__ = ["losers"]
PLACE = 7


def losers(found: Found) -> Section:
    """What a mean hides."""
    blocks: list[Block] = []
    if found.comparison is None:
        blocks.append(no_comparison(found, "Rare items, coverage and reach"))
    else:
        blocks += [Words(signed(text)) for text in words.losses(found.comparison)]
        blocks += _reach(found.comparison)
    return Section("losers", "Who lost", (*blocks, *_groups(found)))


def _reach(found: Comparison) -> list[Block]:
    """Items that are recommended no more, by model."""
    if found.after.reach is None:
        return []
    rows: list[tuple[Cell, ...]] = []
    for name, side in found.sides.items():
        if side.reach is not None:
            reach = side.reach
            share = Value(reach.unreachable_pairs / max(reach.pairs, 1), "share")
            counts = (Value(n, "count") for n in (reach.items, reach.unreachable, reach.unlisted))
            rows.append((name, *counts, share))
    columns = ("model", "test items", "unreachable", "in nobody’s list", "test pairs lost")
    return [Table("Items that are recommended, and that are not", columns, tuple(rows), folded=True)]


def _groups(found: Found) -> tuple[Block, ...]:
    if found.judged is None or found.split is None:
        return (no_data(found, "Groups of users"),)
    metric = _metric(found.judged)
    rows = tuple(_range(found.judged, metric, group) for group in groups(found.judged, found.split))
    if not rows:
        return (Words("The data has no users that groups could be made of.", soft=True),)
    down = " (lower is better)" if metric in LOWER_IS_BETTER else ""
    told = (
        f"The change of {metric}{down} in each group, on the test part, with its own 95% interval. Of many groups "
        "some stand out by chance: one in twenty intervals misses 0 where nothing has changed."
    )
    return Words(told, soft=True), Ranges(f"Change of {metric} by group", ("after − before",), rows)


def _metric(judged: Judged) -> str:
    """A metric that every case has its own number of."""
    there = [name for name, part in judged.before.parts.items() if part.weights is None and name != "rmse"]
    first = [name for name in there if name.startswith(("ndcg", "logloss", "mae"))]
    return next(iter([*first, *there]))


def _range(judged: Judged, metric: str, group: Group) -> Range:
    change = (judged.after.per_case[metric] - judged.before.per_case[metric])[group.cases]
    mean, n = float(change.mean()), len(change)
    reach = 1.96 * float(np.std(change, ddof=1)) / n**0.5 if n > 1 else None
    low, high = (None, None) if reach is None else (mean - reach, mean + reach)
    return Range(f"{group.name} ({n:,})", Value(mean, "change", low, high))
