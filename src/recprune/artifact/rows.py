"""Every id has a row of its own: vocabularies against the tables that their codes point into."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from recprune.data.vocabulary import Vocabulary
from recprune.encodings.folded import FOLDED
from recprune.encodings.item_item import by_entries
from recprune.encodings.placing import parts_of
from recprune.encodings.spelled import spelled
from recprune.errors import ExtensionError, SurgeryError
from recprune.planning.held import absorbed
from recprune.planning.plan import Plan
from recprune.tracing.site import Kind

__all__ = ["Shape", "misfit", "shape_of", "stray", "unlike"]

Shape = Callable[[str], tuple[int, ...] | None]


def shape_of(tensor: str, tensors: Mapping[str, Tensor], encodings: Mapping[str, str]) -> tuple[int, ...] | None:
    """Shape of a tensor as it is stored, or as it is decoded; None where it is not there."""
    if tensor in tensors:
        return tuple(tensors[tensor].shape)
    stored = f"{parts_of(tensor)}."
    parts = {name.removeprefix(stored): part for name, part in tensors.items() if name.startswith(stored)}
    like = parts.get("like")
    if tensor not in encodings or "codes" not in parts or like is None or like.dim() < 2:
        return None
    try:
        return spelled(encodings[tensor]).kind.height(parts), *like.shape[1:]
    except (SurgeryError, ExtensionError):
        return None


def misfit(vocabularies: Mapping[str, Vocabulary], plan: Plan | None, shape: Shape) -> str:
    """Why codes of a vocabulary do not fit the rows of its table; empty where they all do.

    The rows are those that the plan leaves of the ids of a column (of items, where ids are answers too), and where no
    ids could leave, those of the tensor that is named after it. shape: of a tensor, None where it is not there.
    """
    sites = () if plan is None else tuple(site for site in plan.survey.sites if site.kind is Kind.ID)
    left = {s.name: len(plan.units(s)) + 1 for s in sites} if plan else {}
    said = {c: left[s.name] for s in sites for c in (*s.columns, *(("item",) if s.answers else ()))}
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


def unlike(plan: Plan, shape: Shape) -> str:
    """The first tensor that is not of the shape that the plan leaves of it; empty where all are. Raises what a survey
    of odd shapes leads to."""
    rows, inside = plan.account().rows, absorbed(plan.survey, plan.encodings)
    for row in rows:
        stored = plan.encodings.get(row.tensor)
        whole = row.tensor not in inside and stored != FOLDED and not by_entries(stored)
        if whole and shape(row.tensor) != row.after:
            return row.tensor
    return ""


def stray(tensors: Mapping[str, Tensor], shape: Shape) -> str:
    """Why `offsets`, which say where the rows of each field begin in one table of all, do not; empty where they do.

    The tables are those beside them: `X.table.weight` and `X.linear.weight` of `X.offsets`. In a model from elsewhere
    the names may mean anything, and it looks up its own rows.
    """
    for name in (n for n in tensors if n.rpartition(".")[2] == "offsets"):
        starts, front = tensors[name], name.removesuffix("offsets")
        for table in (shape(f"{front}{kind}.weight") for kind in ("table", "linear")):
            if table is None or not table or starts.dim() != 1 or not len(starts):
                continue
            if int(starts[0]) != 0 or bool((starts[1:] <= starts[:-1]).any()) or int(starts[-1]) >= table[0]:
                return f"{name} is {starts[:8].tolist()}, which is not where fields begin among {table[0]:,} rows"
    return ""
