"""Values as people read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from recprune.evaluation.comparison import Comparison
    from recprune.planning.plan import Plan
    from recprune.recipe.frontier import Frontier

__all__ = ["compared", "drawn", "number", "pairs", "planned", "table"]


def number(value: object) -> str:
    """1234567 -> 1,234,567; 0.123456 -> 0.1235; None -> –."""
    if value is None:
        return "–"
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(number(part) for part in value)
    return str(value)


def pairs(facts: Mapping[str, Any]) -> Iterator[str]:
    """One line a fact; a mapping inside is told on the same line."""
    width = max((len(name) for name in facts), default=0)
    for name, value in facts.items():
        if isinstance(value, Mapping):
            value = ", ".join(f"{key} {number(one)}" for key, one in value.items()) or "none"
        yield f"{name:<{width}}  {number(value)}"


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str | None = None) -> Table:
    """A table; columns whose values are numbers stand to the right."""
    out = Table(title=title, title_justify="left", header_style="bold")
    for place, name in enumerate(columns):
        right = bool(rows) and all(not isinstance(row[place], str) for row in rows)
        out.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in rows:
        out.add_row(*(Text(number(value)) for value in row))
    return out


TOTALS = {"features P": "features", "network Q": "network", "P + Q": "parameters", "bytes": "bytes"}
"""What an account adds up -> the name of it there."""


def planned(plan: Plan) -> tuple[dict[str, Any], tuple[RenderableType, ...]]:
    """What a plan keeps: totals and sites, as data and as tables."""
    account, rows = plan.account(), []
    for site in plan.survey.sites:
        stays = len(plan.units(site))
        rows.append([site.name, str(site.kind), site.size, stays, 1 - stays / site.size if site.size else 0.0])
    totals = [
        [name, getattr(account, f"{part}_before"), getattr(account, f"{part}_after")] for name, part in TOTALS.items()
    ]
    facts = {
        "rule": plan.rule,
        "budget": plan.budget.amount,
        "encodings": dict(plan.encodings),
        "sites": [dict(zip(("name", "kind", "units", "stay", "share that leaves"), row, strict=True)) for row in rows],
        **account.to_dict(),
    }
    told = f"{plan.rule.rpartition(':')[2] or 'no rule'}: {account.share_removed:.1%} of the parameters leave"
    sites = table(["site", "kind", "units", "stay", "leave"], rows)
    return facts, (told, table(["", "before", "after"], totals), sites)


MAIN = ("precision", "recall", "f1", "ndcg", "coverage", "tail_recall", "auc", "logloss", "accuracy", "rmse", "mae")


def compared(found: Comparison) -> tuple[RenderableType, ...]:
    """A comparison as a table, one model a column, and in words."""
    sides = found.sides.values()
    rows: list[list[object]] = [
        ["features P", *(side.features for side in sides)],
        ["network Q", *(side.network for side in sides)],
        ["bytes", *(side.bytes for side in sides)],
        ["ms a request", *(side.request and side.request.median for side in sides)],
        ["ms for 1,000", *(side.thousand and side.thousand.median for side in sides)],
    ]
    metrics = [name for name in found.before.metrics if name.partition("@")[0] in MAIN]
    rows += [[name, *(side.metrics[name] for side in sides)] for name in metrics]
    rows += _served(found)
    others = [found.sentence(name) for name in metrics if name != found.headline]
    others += [f"Without the rival {name}: {why}" for name, why in found.without.items()]
    seeds = f", mean of {len(found.seeds)} seeds" if found.seeds else ""
    title = f"{found.part}, {found.cases:,} {found.unit}s{seeds}"
    return table(["", *found.sides], rows, title), found.verdict(), "\n".join(others)


def _served(found: Comparison) -> list[list[object]]:
    """Whom every model still serves: test items that it cannot or does not list, cases whose id left."""
    sides = list(found.sides.values())
    rows: list[list[object]] = []
    if any(side.reach is not None for side in sides):
        rows.append(["unreachable test items", *(side.reach and side.reach.unreachable for side in sides)])
        rows.append(["test items in no list", *(side.reach and side.reach.unlisted for side in sides)])
    for column in sorted({column for side in sides for column in side.fallen}):
        rows.append([f"{found.unit}s whose {column} left", *(side.fallen.get(column, 0) for side in sides)])
    return rows


def drawn(found: Frontier) -> tuple[RenderableType, ...]:
    """A frontier as a table, largest first; a star stands at what no other point beats."""
    dense = found.points[0]
    rows: list[list[object]] = [
        [
            "*" if p.front else "",
            p.name,
            p.features + p.network,
            p.bytes,
            p.bytes / dense.bytes,
            p.request,
            p.metrics[found.metric],
        ]
        for p in sorted(found.points, key=lambda p: -p.bytes)
    ]
    columns = ["", "model", "parameters", "bytes", "of dense", "ms a request", f"validation {found.metric}"]
    return table(columns, rows), f"{found.epochs} epochs of fine-tuning in all; the test part was not read"
