"""A comparison as a table to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recprune.evaluation.comparison import Comparison, Difference
from recprune.evaluation.speed import Speed

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["table"]


def table(comparison: Comparison) -> Table:
    """A rich table: a column a model, and the difference between after and before with its interval.

    `rich.print(table(comparison))` shows it.
    """
    from rich import box
    from rich.table import Table

    out = Table(title=_title(comparison), box=box.SIMPLE_HEAD, title_justify="left")
    out.add_column("")
    for name in ("before", "after"):
        out.add_column(name, justify="right")
    out.add_column(f"difference, {comparison.level:.0%} interval", justify="right")
    out.add_column("verdict")
    for name in comparison.rivals:
        out.add_column(name, justify="right")
    for row in rows(comparison):
        out.add_row(*row)
    return out


def rows(comparison: Comparison) -> list[list[str]]:
    """The cells, row by row: name, before, after, difference, verdict, then each rival."""
    sides = list(comparison.sides.values())
    before, after = comparison.before, comparison.after
    counts = [
        ("parameters P (features)", [side.features for side in sides]),
        ("parameters Q (network)", [side.network for side in sides]),
        ("bytes", [side.bytes for side in sides]),
    ]
    out = [_row(name, [f"{n:,}" for n in numbers], _share(*numbers[:2]), "") for name, numbers in counts]
    if before.request and after.request and before.thousand and after.thousand:
        out.append(_speed_row("ms a request", [side.request for side in sides]))
        out.append(_speed_row(f"ms for {before.thousand.rows:,} {comparison.unit}s", [side.thousand for side in sides]))
    for metric in before.metrics:
        cells = [_number(side.metrics[metric]) for side in sides]
        one = comparison.difference(metric)
        out.append(_row(metric, cells, _interval(one), one.verdict.replace("equal", f"equal (±{one.margin or 0:.4f})")))
    return out


def _row(name: str, cells: list[str], difference: str, verdict: str) -> list[str]:
    return [name, *cells[:2], difference, verdict, *cells[2:]]


def _title(comparison: Comparison) -> str:
    return f"{comparison.part}, {comparison.cases:,} {comparison.unit}s, the same for all"


def _share(before: int, after: int) -> str:
    return f"{after / before - 1:+.1%}" if before else "none"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _interval(one: Difference) -> str:
    if one.value is None:
        return "-"
    if one.low is None or one.high is None:
        return f"{one.value:+.4f}"
    return f"{one.value:+.4f} [{one.low:+.4f}, {one.high:+.4f}]".replace("[", "\\[")


def _speed_row(name: str, speeds: list[Speed | None]) -> list[str]:
    cells = ["-" if one is None else f"{one.median:.3g} ({one.low:.3g} to {one.high:.3g})" for one in speeds]
    first, second = speeds[0], speeds[1]
    times = "" if first is None or second is None else f"{first.median / second.median:.2f} times as fast"
    threads = "" if first is None else f", {first.threads} thread{'s' if first.threads != 1 else ''}"
    return _row(name + threads, cells, times, "")
