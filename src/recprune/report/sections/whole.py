"""What stayed whole, and why."""

from __future__ import annotations

from recprune.report.blocks import Cell, Section, Table, Words
from recprune.report.found import Found
from recprune.report.lacking import no_plan

__all__ = ["whole"]
PLACE = 9
NAMED = 6
"""Axes that are named, of those that share a reason."""


def whole(found: Found) -> Section:
    """Every reason once, with the axes that it holds for."""
    if found.plan is None:
        return Section("whole", "What stayed whole, and why", (no_plan(found, "What stayed whole"),))
    reasons: dict[str, list[str]] = {}
    for name, reason in found.plan.survey.whole.items():
        reasons.setdefault(reason, []).append(name)
    if not reasons:
        return Section("whole", "What stayed whole, and why", (Words("Every axis of every tensor could leave."),))
    rows: list[tuple[Cell, ...]] = [(reason, _named(names)) for reason, names in reasons.items()]
    told = "An axis is named by its tensor and its number. Nothing of these could leave, whatever the budget."
    table = Table("Reasons, and the axes that stayed", ("reason", "axes"), tuple(rows))
    return Section("whole", "What stayed whole, and why", (Words(told, soft=True), table))


def _named(names: list[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
