"""told(): a plan as a page shows it: what leaves where, what is left of what, what stays whole and why."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recprune.data.vocabulary import Vocabulary
from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.surgery import renumber
from recprune.tracing.site import Kind, Site

__all__ = ["print_of", "told"]

RUNS, IDS, ROWS = 12, 8, 100
"""Runs of unit numbers of a site, ids of a column, and rows of a table that are told."""


def print_of(plan: Plan) -> str:
    """What tells this plan from another one for the same model."""
    made = hashlib.sha256(repr((sorted(plan.encodings.items()), plan.budget.amount, plan.rule)).encode())
    for name in sorted(plan.kept):
        made.update(name.encode() + b"\0" + plan.kept[name].tobytes())
    return made.hexdigest()


def told(plan: Plan, vocabularies: Mapping[str, Vocabulary]) -> dict[str, Any]:
    """As plain data. vocabularies: of the model that the plan is for."""
    account, gone = plan.account(), _gone(plan, vocabularies)
    sizes = {
        name: [getattr(account, f"{part}_before"), getattr(account, f"{part}_after")]
        for name, part in (("P", "features"), ("Q", "network"), ("all", "parameters"))
    }
    file = [Plan(plan.survey, {}, Budget(0.0)).file_bytes(), plan.file_bytes()]
    rows = sorted((r for r in account.rows if r.bytes_before), key=lambda r: (-r.bytes_before, r.tensor))
    whole = sorted(plan.survey.whole.items())
    return {
        "plan": print_of(plan),
        "rule": plan.rule.rpartition(":")[2],
        "amount": plan.budget.amount,
        "share": account.share_removed,
        "parameters": sizes,
        "bytes": file,
        "kinds": _by_kind(plan),
        "sites": [_site(plan, site, gone) for site in plan.survey.sites if len(plan.leaving(site))][:ROWS],
        "tensors": [
            {
                "name": row.tensor,
                "part": "P" if row.feature else "Q",
                "before": list(row.before),
                "after": list(row.after),
                "entries": row.entries_after,
                "bytes": [row.bytes_before, row.bytes_after],
                "stored": plan.encodings.get(row.tensor, ""),
            }
            for row in rows[:ROWS]
        ],
        "more": max(len(rows) - ROWS, 0),
        "whole": [{"name": name, "why": why} for name, why in whole[:ROWS]],
    }


def _by_kind(plan: Plan) -> list[dict[str, Any]]:
    """Kind -> units that there are and that leave."""
    out: dict[str, list[int]] = {}
    for site in plan.survey.sites:
        counted = out.setdefault(str(site.kind), [0, 0])
        counted[0] += site.size
        counted[1] += site.size - len(plan.units(site))
    return [{"kind": kind, "units": out[kind][0], "leave": out[kind][1]} for kind in map(str, Kind) if kind in out]


def _site(plan: Plan, site: Site, gone: Mapping[str, list[str]]) -> dict[str, Any]:
    leaving = plan.leaving(site)
    if site.kind is Kind.FIELD:
        which = site.column or site.name
    elif site.kind is Kind.ID and site.column is not None and site.column in gone:
        which = _listed(gone[site.column], len(leaving))
    else:
        which = "" if site.kind is Kind.ENTRY else _runs(leaving)
    return {"name": site.name, "kind": str(site.kind), "units": site.size, "leave": len(leaving), "which": which}


def _gone(plan: Plan, vocabularies: Mapping[str, Vocabulary]) -> dict[str, list[str]]:
    """Column -> some of the ids that leave it."""
    out = {}
    for column, codes in renumber(plan).items():
        if column in vocabularies:
            left = np.flatnonzero(codes == 0)
            out[column] = [str(vocabularies[column].ids[code - 1]) for code in left[left > 0][:IDS].tolist()]
    return out


def _listed(ids: list[str], all_of_them: int) -> str:
    return ", ".join(ids) + (" …" if all_of_them > len(ids) else "")


def _runs(units: NDArray[np.int64]) -> str:
    """Numbers as a person writes them: 0–3, 7, 9–12."""
    breaks = np.flatnonzero(np.diff(units) > 1)
    firsts, lasts = units[np.r_[0, breaks + 1]], units[np.r_[breaks, len(units) - 1]]
    runs = [f"{a}–{b}" if b > a else f"{a}" for a, b in zip(firsts[:RUNS], lasts[:RUNS], strict=True)]
    return ", ".join(runs) + (" …" if len(firsts) > RUNS else "")
