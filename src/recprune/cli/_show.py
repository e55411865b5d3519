"""Values as people read them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from recprune.evaluation.comparison import Comparison, Side
    from recprune.planning.plan import Plan
    from recprune.recipe.frontier import Frontier

__all__ = ["compared", "drawn", "number", "pairs", "planned", "share", "table"]


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


def pairs(facts: Mapping[str, Any]) -> Iterator[Table]:
    """One line a fact, what is too long for it further in; a mapping inside is told on the same line."""
    out = Table.grid(padding=(0, 2))
    out.add_column(no_wrap=True)
    for name, value in facts.items():
        if isinstance(value, Mapping):
            value = ", ".join(f"{key} {number(one)}" for key, one in value.items()) or "none"
        out.add_row(Text(name), Text(number(value)))
    yield out


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str | None = None) -> Table:
    """A table; columns whose values are numbers stand to the right, and no number is broken over two lines."""
    out = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for place, name in enumerate(columns):
        if rows and all(_numeric(row[place]) for row in rows):
            out.add_column(_broken(name), justify="right", no_wrap=True)
        else:
            out.add_column(name, overflow="fold")
    for row in rows:
        out.add_row(*(Text(number(value)) for value in row))
    return out


SHORT = 10
"""Letters of a column's name that stand on one line."""


def _broken(name: str) -> str:
    """The name of a column over two lines: at the space nearest to its middle, or before an @."""
    spaces = [place for place, letter in enumerate(name) if letter == " "]
    if len(name) <= SHORT or not spaces:
        return name.replace("@", "\n@")
    middle = min(spaces, key=lambda place: abs(2 * place - len(name)))
    return f"{name[:middle]}\n{name[middle + 1 :]}"


def share(value: float) -> str:
    """0.9 -> 90.0%."""
    return f"{value:.1%}"


def _numeric(value: object) -> bool:
    return not isinstance(value, str) or bool(re.fullmatch(r"–|-?[\d,.]+%?", value))


TOTALS = {"features P": "features", "network Q": "network", "P + Q": "parameters", "bytes": "bytes"}
"""What an account adds up -> the name of it there."""


def planned(plan: Plan) -> tuple[dict[str, Any], tuple[RenderableType, ...]]:
    """What a plan keeps: totals and sites, as data and as tables."""
    account = plan.account()
    rows: list[tuple[str, str, int, int, float]] = []
    for site in plan.survey.sites:
        stays = len(plan.units(site))
        rows.append((site.name, str(site.kind), site.size, stays, 1 - stays / site.size if site.size else 0.0))
    shown: list[list[object]] = [[*row[:-1], share(row[-1])] for row in rows]
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
    sites = table(["site", "kind", "units", "stay", "leave"], shown)
    return facts, (told, table(["", "before", "after"], totals), sites)


MAIN = ("precision", "recall", "f1", "ndcg", "coverage", "tail_recall", "auc", "logloss", "accuracy", "rmse", "mae")


def compared(found: Comparison) -> tuple[RenderableType, ...]:
    """A comparison as tables, one model a row, and in words."""
    from recprune.evaluation import words

    metrics = [name for name in found.before.metrics if name.partition("@")[0] in MAIN]
    said = [f"{found.sentence(found.headline)}.", *words.gains(found), words.rivals(found), *words.losses(found)]
    others = [f"{found.sentence(name)}." for name in metrics if name != found.headline]
    missing = [f"Without the rival {name}: {why}" for name, why in found.without.items()]
    told = [*said, *(one for one in others if one not in said), *missing]
    seeds = f", mean of {len(found.seeds)} seeds" if found.seeds else ""
    return (
        f"{found.part}, {found.cases:,} {found.unit}s{seeds}",
        _costs(found),
        table(["quality", *metrics], [[name, *_places(side, metrics)] for name, side in found.sides.items()]),
        *_served(found),
        *(_point(one) for one in told if one),
    )


def _places(side: Side, metrics: list[str]) -> Iterator[str]:
    """Metrics with as many places each, so that they can be read down a column."""
    for name in metrics:
        value = side.metrics[name]
        yield "–" if value is None else f"{value:.4f}"


def _costs(found: Comparison) -> Table:
    rows: list[list[object]] = [
        [
            name,
            side.features,
            side.network,
            side.bytes,
            side.request and side.request.median,
            side.thousand and side.thousand.median,
        ]
        for name, side in found.sides.items()
    ]
    return table(["cost", "features P", "network Q", "bytes", "ms a request", "ms for 1,000"], rows)


def _served(found: Comparison) -> Iterator[Table]:
    """Whom every model still serves: test items that it cannot or does not list, cases whose id left."""
    sides, columns = found.sides, {column for side in found.sides.values() for column in side.fallen}
    told: dict[str, list[object]] = {}
    if any(side.reach is not None for side in sides.values()):
        told["test items out of reach"] = [side.reach and side.reach.unreachable for side in sides.values()]
        told["test items in no list"] = [side.reach and side.reach.unlisted for side in sides.values()]
    for column in sorted(columns):
        told[f"{found.unit}s whose {column} left"] = [side.fallen.get(column, 0) for side in sides.values()]
    if told:
        yield table(["served", *told], [list(row) for row in zip(sides, *told.values(), strict=True)])


def _point(words: str) -> RenderableType:
    """A sentence as a point of a list, its further lines further in."""
    out = Table.grid(padding=(0, 1))
    out.add_row("•", Text(words))
    return out


def drawn(found: Frontier) -> tuple[RenderableType, ...]:
    """A frontier as a table, largest first; a star stands at what no other point beats."""
    dense = found.points[0]
    rows: list[list[object]] = [
        [
            "*" if p.front else "",
            p.name,
            p.features + p.network,
            p.bytes,
            share(p.bytes / dense.bytes),
            p.request,
            p.metrics[found.metric],
        ]
        for p in sorted(found.points, key=lambda p: -p.bytes)
    ]
    columns = ["", "model", "parameters", "bytes", "of dense", "ms a request", f"validation {found.metric}"]
    return table(columns, rows), f"{found.epochs} epochs of fine-tuning in all; the test part was not read"
