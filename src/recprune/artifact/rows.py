"""Every id has a row of its own: vocabularies against the tables that their codes point into."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from recprune.data.vocabulary import Vocabulary
from recprune.planning.plan import Plan
from recprune.tracing.site import Kind

__all__ = ["misfit"]

Shape = Callable[[str], tuple[int, ...] | None]


def misfit(vocabularies: Mapping[str, Vocabulary], plan: Plan | None, shape: Shape) -> str:
    """Why codes of a vocabulary do not fit the rows of its table; empty where they all do.

    The rows are those that the plan leaves of the ids of a column, and where no ids could leave, those of the tensor
    that is named after it. shape: of a tensor, None where it is not there.
    """
    sites = () if plan is None else tuple(site for site in plan.survey.sites if site.kind is Kind.ID)
    said = {c: len(plan.kept.get(s.name, range(s.size))) + 1 for s in sites for c in s.columns} if plan else {}
    for column, vocabulary in vocabularies.items():
        table = shape(f"{column}.weight")
        rows = said.get(column, table[0] if table else None)
        if rows is None or len(vocabulary) == rows or (column not in said and len(vocabulary) < rows):
            continue
        return (
            f"the vocabulary of {column!r} has codes up to {len(vocabulary) - 1:,} and its table {rows:,} rows: every "
            "id needs one of its own, and those that are unknown share row 0"
        )
    return ""
