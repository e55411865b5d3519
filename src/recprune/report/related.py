"""Whether one model can have been made of another: what it answers, its fields, its ids."""

from __future__ import annotations

from recprune.errors import DataError
from recprune.evaluation.inputs import columns_of, ranks
from recprune.models.recommender import USER_COLUMNS
from recprune.recipe.shelf import Shelved

__all__ = ["check_related"]

SHOWN = 3
"""Names that are shown of many."""


def check_related(whole: Shelved, small: Shelved) -> None:
    """Raises DataError where the smaller model is of other data or of another task than the larger one.

    Fields and ids leave when a model is pruned, and none comes; what both rank or score stays. A model that was pruned
    twice, or trained on the same data in its size, passes.
    """
    found = [*_task(whole, small), *_fields(whole, small), *_ids(whole, small)]
    if found:
        raise DataError(
            f"{small.folder} was not made of {whole.folder}: {'; '.join(found)}. Name the model that it was pruned "
            f"from (--against), or judge it alone: recprune evaluate {small.folder}",
            path=str(small.folder),
        )


def _task(whole: Shelved, small: Shelved) -> list[str]:
    said = {True: "ranks all items of a user", False: "scores rows"}
    if ranks(whole.model) == ranks(small.model):
        return []
    return [f"it {said[ranks(small.model)]} and the other {said[ranks(whole.model)]}"]


def _fields(whole: Shelved, small: Shelved) -> list[str]:
    more = set(columns_of(small.model)) - set(columns_of(whole.model)) - USER_COLUMNS - {"item"}
    return [f"it takes the fields {_some(more)} that the other does not take"] if more else []


def _ids(whole: Shelved, small: Shelved) -> list[str]:
    """Ids that one knows and the other, of which it should be a part, does not; column by column."""
    out = []
    for name in sorted(small.vocabularies.keys() & whole.vocabularies.keys()):
        more = set(small.vocabularies[name].ids) - set(whole.vocabularies[name].ids)
        if more:
            out.append(f"it knows {len(more):,} ids of {name!r} that the other does not know ({_some(more)})")
    return out


def _some(names: set[str]) -> str:
    shown = ", ".join(map(repr, sorted(names)[:SHOWN]))
    return shown if len(names) <= SHOWN else f"{shown}, ..."
