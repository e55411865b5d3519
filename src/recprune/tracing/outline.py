"""outlined(): a model on the meta device as a small one with numbers, whose survey is that of the large one.

Rows of tables are alike to a survey: what it finds of a table of some thousand rows it finds of one of a billion. So
tables are outlined by few rows, everything that has as many entries as they have rows along with them, and the survey
of the outline is told in the sizes of the model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from recprune.errors import SurveyError
from recprune.tracing.attributes import correct_attributes
from recprune.tracing.build import fingerprint, named_tensors
from recprune.tracing.copying import copied
from recprune.tracing.inputs import Example, changed
from recprune.tracing.site import FLAT, Cut, Site, Survey

__all__ = ["Outline", "outlined"]

FEW = 1000
"""Rows of a table, or of a field of one, that are never outlined; all others become a prime above it."""


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """model: small, with numbers of no meaning where the large one has none. example: codes that it knows.

    parts: how many entries an axis has -> the lengths of its parts, one behind the other, in both models.
    """

    model: nn.Module
    example: Any
    large: nn.Module
    parts: Mapping[int, Sequence[tuple[int, int]]]

    def restored(self, found: Survey) -> Survey:
        """A survey of the outline as that of the large model. Raises SurveyError where a site cannot be told."""
        shapes = {name: tuple(tensor.shape) for name, tensor in named_tensors(self.large).items()}
        sites = tuple(self._site(site, found.shapes, shapes) for site in found.sites)
        return replace(found, sites=sites, shapes=shapes, fingerprint=fingerprint(self.large))

    def _site(self, site: Site, small: Mapping[str, tuple[int, ...]], large: Mapping[str, tuple[int, ...]]) -> Site:
        cuts, sizes = [], set()
        for cut in site.cuts:
            if cut.dim == FLAT:
                begin, end = self._flat(cut, site.size, small[cut.tensor], large[cut.tensor])
            else:
                begin, end = self._stretch(cut, site.size, large[cut.tensor][cut.dim])
            width = end - begin if site.size == 1 else cut.width
            cuts.append(Cut(cut.tensor, cut.dim, begin, width))
            sizes.add((end - begin) / width)
        first, size = site.cuts[0], int(next(iter(sizes)))
        odd = [cut for cut in (*site.averaged, *site.answers) if size != site.size and cut.start > FEW]
        if len(sizes) != 1 or size not in sizes or odd:
            raise SurveyError(
                f"site {site.name!r} stands on axes that are outlined by unlike numbers of rows, {sorted(sizes)}; "
                "survey the model with its weights",
                site=site.name,
            )
        fallback = site.fallback
        if fallback is not None:
            fallback = self._up(fallback, large[first.tensor][first.dim])
        return replace(site, size=size, cuts=tuple(cuts), fallback=fallback)

    def _stretch(self, cut: Cut, size: int, length: int) -> tuple[int, int]:
        """Where the units of a cut begin and end on an axis that has `length` entries in the large model."""
        end = cut.start + size * cut.width
        return self._up(cut.start, length), self._up(end, length, last=True)

    def _up(self, place: int, length: int, *, last: bool = False) -> int:
        """A place on the axis of the outline as one on that of the model; last: the end of what ends there."""
        begin = large_begin = 0
        for large, small in self.parts.get(length, ((length, length),)):
            if place < begin + small + last:
                into = place - begin
                return large_begin + (large - (small - into) if last else into)
            begin, large_begin = begin + small, large_begin + large
        return large_begin

    @staticmethod
    def _flat(cut: Cut, size: int, small: tuple[int, ...], large: tuple[int, ...]) -> tuple[int, int]:
        if small != large and (cut.start or size * cut.width != math.prod(small)):
            raise SurveyError(
                f"some entries of {cut.tensor} cannot be told from an outline; survey it with its weights"
            )
        return cut.start, math.prod(large) if small != large else cut.start + size * cut.width


def outlined(model: nn.Module, example: Example) -> Outline | None:
    """The outline of a model that has tensors on the meta device; None where it has none.

    Raises SurveyError where whole numbers are missing that tell where something stands, as the offsets of a table do.
    """
    own = named_tensors(model)
    if not any(tensor.is_meta for tensor in own.values()):
        return None
    parts = _parts(model, own)
    new = {name: (tensor, _small(name, tensor, parts)) for name, tensor in own.items()}
    made = copied(model, {name: (old, _like(old, value)) for name, (old, value) in new.items()})
    correct_attributes(made)
    lengths = {length: sum(small for _, small in split) for length, split in parts.items()}
    for module in made.modules():
        for name, held in list(vars(module).items()):
            if type(held) is int and held in lengths and not name.startswith("_"):
                setattr(module, name, lengths[held])
    return Outline(made, changed(example, lambda _, value: _shown(value, lengths)), model, parts)


def _parts(model: nn.Module, own: Mapping[str, Tensor]) -> dict[int, Sequence[tuple[int, int]]]:
    """Numbers of rows of tables without numbers -> their fields: how many rows each has, and in the outline."""
    kinds = (nn.Embedding, nn.EmbeddingBag)
    tables = [m.weight for m in model.modules() if isinstance(m, kinds) and isinstance(m.weight, Tensor)]
    lengths = sorted({len(weight) for weight in tables if weight.is_meta and len(weight) > FEW})
    fields: dict[int, list[int]] = {length: [length] for length in lengths}
    for starts in map(_starts, own.values()):
        above = [length for length in lengths if starts and length > starts[-1]]
        if above:
            fields[above[0]] = [b - a for a, b in pairwise([*starts, above[0]])]
    taken = {size for tensor in own.values() for size in tensor.shape}
    primes = _primes(taken)
    few = {size: next(primes) for split in fields.values() for size in dict.fromkeys(split) if size > FEW}
    return {length: [(size, few.get(size, size)) for size in split] for length, split in fields.items()}


def _starts(tensor: Tensor) -> list[int]:
    """The numbers of a tensor that may say where fields begin: whole, from 0 on, each above the one before it."""
    if tensor.is_meta or tensor.dim() != 1 or tensor.dtype not in (torch.int32, torch.int64) or len(tensor) < 2:
        return []
    rises = bool((tensor[1:] > tensor[:-1]).all())
    return [int(x) for x in tensor.tolist()] if int(tensor[0]) == 0 and rises else []


def _primes(taken: set[int]) -> Iterator[int]:
    number = FEW
    while True:
        number += 1
        if number not in taken and all(number % d for d in range(2, math.isqrt(number) + 1)):
            yield number


def _small(name: str, tensor: Tensor, parts: Mapping[int, Sequence[tuple[int, int]]]) -> Tensor:
    """Some numbers in the shape of the outline: the tensor's own where it has them."""
    for split in parts.values():
        if len(split) > 1 and _starts(tensor) == _ends([large for large, _ in split])[:-1]:
            return torch.tensor(_ends([small for _, small in split])[:-1], dtype=tensor.dtype)
    whole = not tensor.is_floating_point() and name.rpartition(".")[2] != "num_batches_tracked"
    if whole and (tensor.is_meta or tensor.numel() > FEW):
        raise SurveyError(
            f"{name} holds whole numbers that say where something stands, and "
            f"{'is' if tensor.is_meta else 'others are'} on the meta device: make the model within "
            "recprune.tracing.weightless, which leaves small tensors as they are; a model with stored matrices is "
            "surveyed with its weights",
            tensor=name,
        )
    if not tensor.is_meta:
        return _narrowed(tensor, {length: sum(s for _, s in split) for length, split in parts.items()})
    shape = [sum(s for _, s in parts[n]) if n in parts else n for n in tensor.shape]
    if tensor.is_floating_point():
        drawn = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 0.1
        return (drawn if isinstance(tensor, nn.Parameter) else torch.ones(shape)).to(tensor.dtype)
    return torch.zeros(shape, dtype=tensor.dtype)


def _ends(sizes: Sequence[int]) -> list[int]:
    out = [0]
    for size in sizes:
        out.append(out[-1] + size)
    return out


def _narrowed(tensor: Tensor, lengths: Mapping[int, int]) -> Tensor:
    out = tensor.detach()
    for dim, length in enumerate(tensor.shape):
        out = out.narrow(dim, 0, lengths.get(length, length))
    return out.clone()


def _like(old: Tensor, value: Tensor) -> Tensor:
    return nn.Parameter(value, requires_grad=old.requires_grad) if isinstance(old, nn.Parameter) else value


def _shown(value: Tensor, lengths: Mapping[int, int]) -> Tensor:
    """An input as the outline takes it: a column of codes by codes that it has, a history by as many items."""
    value = _narrowed(value, {length: few for length, few in lengths.items() if value.dim() > 1})
    if value.is_floating_point() or value.dtype == torch.bool:
        return value
    return torch.where(value >= FEW, 1 + (value - 1) % (FEW - 1), value)
