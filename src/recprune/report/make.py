"""report(): what was found becomes sections; plain data that every face shows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import recprune
from recprune import discover
from recprune.report import sections
from recprune.report.blocks import Missing, Section
from recprune.report.found import Found
from recprune.report.sections.asked import sentence, title

__all__ = ["Report", "for_people", "report"]


@dataclass(frozen=True, slots=True)
class Report:
    """title: a few words. asked: one sentence of what was asked and whether it was met. version: of recprune."""

    title: str
    asked: str
    sections: tuple[Section, ...]
    version: str = recprune.__version__

    def to_json(self) -> str:
        """All of it as text: every block says what it is by `block`. Numbers that are not finite are null."""
        return json.dumps(_plain({"format": 1, **_fields(self)}), indent=1, ensure_ascii=False, allow_nan=False)


def report(found: Found) -> Report:
    """Every section of the folder `sections`, in the order of their places."""
    modules = sorted((discover.module(sections, name) for name in discover.names(sections)), key=lambda m: m.PLACE)
    made = tuple(getattr(module, module.__all__[0])(found) for module in modules)
    return Report(title(found), sentence(found), made)


def for_people(report: Report) -> tuple[Section, ...]:
    """The sections that say something; what nothing is known of stands in one at the end."""
    full = [one for one in report.sections if not all(isinstance(block, Missing) for block in one.blocks)]
    rest = tuple(block for one in report.sections if one not in full for block in one.blocks)
    return (*full, *([Section("missing", "Not in this report", rest)] if rest else []))


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _plain(value: Any) -> Any:
    """Plain data of blocks, with their names."""
    if hasattr(value, "__dataclass_fields__"):
        return {"block": type(value).__name__.lower(), **{name: _plain(one) for name, one in _fields(value).items()}}
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not (abs(value) < float("inf")):
        return None
    return value
