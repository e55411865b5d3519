"""What a unit is made of: its entries as rows of a matrix, and the model with one unit left out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from recprune.errors import SurveyError
from recprune.tracing.site import FLAT, Cut, Kind, Site

__all__ = ["entries_of", "fallback_of", "left_out"]


def entries_of(tensor: Tensor, cut: Cut, size: int) -> Tensor:
    """(size, entries): row `i` holds what unit `i` takes of the tensor, all other axes flattened.

    A view where the layout allows it. Raises SurveyError where the cut reaches beyond the tensor.
    """
    span = size * cut.width
    length = math.prod(tensor.shape) if cut.dim == FLAT else _length(tensor, cut)
    if cut.start < 0 or cut.start + span > length:
        raise SurveyError(
            f"{cut.tensor}: {size} units of width {cut.width} from {cut.start} reach beyond its {length} entries on "
            f"axis {cut.dim}; the survey is of another model, make it again",
            tensor=cut.tensor,
            cut=cut,
        )
    if cut.dim == FLAT:
        return tensor.reshape(-1)[cut.start : cut.start + span].reshape(size, cut.width)
    part = tensor.narrow(cut.dim, cut.start, span).movedim(cut.dim, 0)
    return part.reshape(size, cut.width * math.prod(part.shape[1:]))


def fallback_of(tensor: Tensor, site: Site, cut: Cut, features: frozenset[str]) -> Tensor | None:
    """(1, entries) what answers in this tensor for an id that left; None where nothing does, so that zero stands there.

    `site.fallback` is a row of the first cut's tensor; another table that is looked up by the same ids (`features`)
    answers with its row at the same distance from its own first unit. It answers for every row of a field.
    """
    first = site.cuts[0]
    looked_up = cut is first or (cut.tensor in features and cut.dim == first.dim)
    if site.fallback is None or not looked_up:
        return None
    if site.kind is Kind.FIELD:
        return entries_of(tensor, Cut(cut.tensor, cut.dim, cut.start + site.fallback - first.start), 1).repeat(
            1, cut.width
        )
    start = cut.start + (site.fallback - first.start) // first.width * cut.width
    return entries_of(tensor, Cut(cut.tensor, cut.dim, start, cut.width), 1)


@contextmanager
def left_out(tensors: Mapping[str, Tensor], site: Site, unit: int, features: frozenset[str]) -> Iterator[None]:
    """Inside, the unit's numbers are zero, or those of the fallback row; afterwards they are back to the bit.

    tensors: name -> parameter or buffer, changed in place. Integers (ids, offsets) keep their values, but for rows that
    are looked up, as flags of ids are.
    """
    before: list[tuple[Tensor, _Index, Tensor]] = []
    try:
        for cut in site.cuts:
            tensor = tensors[cut.tensor].detach()
            answer = fallback_of(tensor, site, cut, features)
            if tensor.is_floating_point() or answer is not None:
                place = _place(tensor, cut, unit)
                before.append((tensor, place, tensor[place].clone()))
                tensor[place] = 0.0 if answer is None else _shaped(answer, tensor[place], cut)
        yield
    finally:
        for tensor, place, numbers in reversed(before):
            tensor[place] = numbers


_Index = tuple[slice | Tensor, ...]


def _length(tensor: Tensor, cut: Cut) -> int:
    if not 0 <= cut.dim < tensor.dim():
        raise SurveyError(f"{cut.tensor} has {tensor.dim()} axes and no axis {cut.dim}", tensor=cut.tensor, cut=cut)
    return tensor.shape[cut.dim]


def _place(tensor: Tensor, cut: Cut, unit: int) -> _Index:
    """Where one unit stands, as an index."""
    begin = cut.start + unit * cut.width
    if cut.dim == FLAT:
        return torch.unravel_index(torch.arange(begin, begin + cut.width, device=tensor.device), tensor.shape)
    return (*[slice(None)] * cut.dim, slice(begin, begin + cut.width))


def _shaped(answer: Tensor, place: Tensor, cut: Cut) -> Tensor:
    """The (1, entries) row in the layout of the place it goes to."""
    if cut.dim == FLAT:
        return answer.reshape(place.shape)
    return answer.reshape(place.movedim(cut.dim, 0).shape).movedim(0, cut.dim)
