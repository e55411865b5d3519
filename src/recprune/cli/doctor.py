"""recprune doctor: what it runs on here, and what is missing."""

from __future__ import annotations

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
    lines = {**facts["machine"], **told, **_threads(facts["threads"])}
    advice = facts["advice"] or ["Nothing to complain of."]
    return Answer({"seed": common.seed, **facts}, (*pairs(lines), _extras(facts["extras"]), *advice))


def _threads(facts: dict[str, Any]) -> dict[str, Any]:
    pools = {f"{one['pool']} {one['version'] or ''}".strip(): one["threads"] for one in facts["pools"]}
    torch = f"{facts['torch']}, between operations {facts['torch between operations']}"
    return {"threads of torch": torch, "threads of pools": pools, "variables": facts["variables"]}


def _extras(extras: dict[str, Any]) -> Table:
    from recprune.cli._show import table

    rows = [
        [name, "✓" if one["installed"] else "–", one["gives"], _way(name, one["missing"])]
        for name, one in extras.items()
    ]
    return table(["extra", "here", "gives", "to have it"], rows)


def _way(name: str, missing: list[str]) -> str:
    return f"pip install 'recprune[{name}]'" if missing else ""
