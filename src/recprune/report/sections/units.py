"""Which units left, by which rule, and which ids and fields they stood for."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import numpy as np

from recprune import discover
from recprune.importance import rules
from recprune.planning.plan import Plan
from recprune.report.blocks import Block, Cell, Section, Table, Value, Words
from recprune.report.found import Found
from recprune.report.lacking import no_plan
from recprune.report.panels import plan_table
from recprune.tracing.site import Kind, Site

__all__ = ["units"]
PLACE = 6
SHOWN = 10
"""Ids that are named, of those that left."""


def units(found: Found) -> Section:
    """The plan, the rule, and the ids that left."""
    if found.plan is None:
        return Section("units", "What left, and why", (no_plan(found, "The units that left"),))
    blocks: tuple[Block, ...] = (Words(_why(found.plan)), plan_table(found.plan), *_fields(found.plan), *_ids(found))
    return Section("units", "What left, and why", blocks)


def _why(plan: Plan) -> str:
    """The rule in words."""
    module, _, name = plan.rule.rpartition(":")
    kinds = ", ".join(sorted(plan.budget.kinds))
    told = f"Units were rated by {name or 'no rule'}. {_about(module)}"
    return f"{told}Those worth least for what they cost left first, of the kinds {kinds}, until {_until(plan)}."


def _until(plan: Plan) -> str:
    budget = plan.budget
    return f"{budget.factor:.1%} of the parameters had left" if budget.factor else f"{budget.amount} was met"


def _about(module: str) -> str:
    """What a rule of ours says of itself; of others nothing is read."""
    folder, _, name = module.rpartition(".")
    if folder != rules.__name__ or name not in discover.names(rules):
        return ""
    first = (discover.module(rules, name).__doc__ or "").strip().partition("\n")[0]
    return f"“{first}” " if first else ""


def _fields(plan: Plan) -> Iterator[Words]:
    fields = [site for site in plan.survey.sites if site.kind is Kind.FIELD]
    gone = [site.column or site.name for site in fields if len(plan.leaving(site)) == site.size]
    if fields:
        told = f"Fields that left: {', '.join(gone)}." if gone else f"None of the {len(fields)} fields left as a whole."
        yield Words(told)


def _ids(found: Found) -> Iterator[Block]:
    sites = () if found.plan is None else found.plan.survey.sites
    for site in sites:
        column = "item" if site.answers else site.column
        if site.kind is Kind.ID and column is not None and column in found.whole.vocabularies:
            yield from _column(found, site, column)


def _column(found: Found, site: Site, column: str) -> Iterator[Block]:
    """Which ids of a column left: those that occur most, which one would miss first."""
    if found.plan is None:
        return
    ids = found.whole.vocabularies[column].decode((found.plan.leaving(site) + 1).tolist())
    if not ids:
        return
    all_ids = len(found.whole.vocabularies[column].ids)
    told = f"{len(ids):,} of {all_ids:,} ids of {column} left; one shared row answers for them."
    counts = _counts(found, column)
    if counts is None or not found.users:
        yield Words(told)
        return
    left = set(ids)
    stayed = [n for key, n in counts.items() if key not in left]
    times = [counts.get(str(key), 0) for key in ids]
    medians = f" They occur {statistics.median(times):g} times in train (median), those that stay {_median(stayed)}."
    yield Words(told + medians)
    most = sorted(zip(times, ids, strict=True), key=lambda one: (-one[0], str(one[1])))[:SHOWN]
    rows: tuple[tuple[Cell, ...], ...] = tuple((str(key), Value(n, "count")) for n, key in most)
    yield Table(f"Ids of {column} that left, the most frequent first", (column, "times in train"), rows, folded=True)


def _counts(found: Found, column: str) -> dict[str, int] | None:
    """Id -> how often it occurs in train; None without data."""
    if found.split is None or column not in found.split.train.columns:
        return None
    vocabulary = found.split.vocabularies[column]
    counts = np.bincount(found.split.train[column].ravel(), minlength=len(vocabulary))
    return dict(zip(vocabulary.ids, counts[1:].tolist(), strict=True))


def _median(counts: list[int]) -> str:
    return f"{statistics.median(counts):g}" if counts else "–"
