"""recprune doctor: what it runs on here, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from recprune.cli._guard import Answer
from recprune.cli._options import Common

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["doctor"]
PLACE = 15


def doctor(common: Common) -> Answer:
    """Say what recprune runs on (threads, BLAS, processor, versions), and what each missing extra would give."""
    from recprune.cli._show import pairs
    from recprune.doctor import examine

    facts = examine()
    told = {name: value for name, value in facts.items() if name not in ("extras", "advice", "threads", "machine")}
    machine = {
        name: f"{one / 1e9:.1f} GB" if name.startswith("memory") and one else one
        for name, one in facts["machine"].items()
    }
    lines = {**machine, **told, **_threads(facts["threads"])}
    here = [name for name, one in facts["extras"].items() if not one["missing"]]
    shown = pairs({**lines, "extras here": here or "none"})
    return Answer({"seed": common.seed, **facts}, (*shown, *_missing(facts["extras"]), *_advice(facts["advice"])))


def _size(found: int | None) -> str | None:
    return None if found is None else f"{found / 1e9:.1f} GB"


def _threads(facts: dict[str, Any]) -> dict[str, Any]:
    pools = {f"{one['pool']} {one['version'] or ''}".strip(): one["threads"] for one in facts["pools"]}
    torch = f"{facts['torch']}, between operations {facts['torch between operations']}"
    return {"threads of torch": torch, "threads of pools": pools, "variables": facts["variables"]}


def _missing(extras: dict[str, Any]) -> Iterator[Table]:
    """Only what is not here, what it would give, and how to have it."""
    from recprune.cli._show import table

    rows = [[name, one["gives"], f"pip install 'recprune[{name}]'"] for name, one in extras.items() if one["missing"]]
    if rows:
        yield table(["extra not here", "would give", "to have it"], rows)


def _advice(found: list[str]) -> list[str]:
    return found or ["Nothing to complain of."]
