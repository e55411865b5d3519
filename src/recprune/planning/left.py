"""Left: what is left of a model, in parameters and in bytes, when the first few bundles of units have left."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recprune.planning.file_size import file_size, planned_facts
from recprune.planning.sized import Standing, standing
from recprune.tracing.site import FLAT, Site, Survey

__all__ = ["NEVER", "Left"]

NEVER = np.iinfo(np.int64).max
"""The rank of a unit that never leaves."""


@dataclass(frozen=True, slots=True)
class _Axes:
    """A tensor, and for each of its axes that gets shorter the rank at which each position leaves, ascending; or how
    many positions leave, where it is one at every rank."""

    shape: tuple[int, ...]
    leaves: tuple[tuple[int, NDArray[np.int64] | int], ...]
    learned: bool
    feature: bool

    def at(self, taken: int) -> tuple[tuple[int, ...], int]:
        """(shape, entries) that are left when the first `taken` have left."""
        gone = {
            dim: min(taken, ranks) if isinstance(ranks, int) else int(np.searchsorted(ranks, taken, side="left"))
            for dim, ranks in self.leaves
        }
        shape = tuple(size - gone.get(dim, 0) for dim, size in enumerate(self.shape))
        return shape, math.prod(shape) - gone.get(FLAT, 0)


class Left:
    """ranks: for each site the rank of every unit, NEVER where it stays: an entry leaves with the first unit that takes
    it. A number in their place says how many single entries leave, one at every rank, where no other site takes of
    their tensors. encodings: tensor -> the encoding that stores it."""

    def __init__(
        self,
        survey: Survey,
        sites: Sequence[Site],
        ranks: Sequence[NDArray[np.int64] | int],
        encodings: Mapping[str, str] | None = None,
    ) -> None:
        first: dict[tuple[str, int], NDArray[np.int64]] = {}
        of: dict[str, list[tuple[int, NDArray[np.int64] | int]]] = {}
        for site, rank in zip(sites, ranks, strict=True):
            for cut in site.cuts:
                if isinstance(rank, int):
                    of.setdefault(cut.tensor, []).append((cut.dim, rank))
                    continue
                shape = survey.shapes[cut.tensor]
                length = math.prod(shape) if cut.dim == FLAT else shape[cut.dim]
                leaves = first.setdefault((cut.tensor, cut.dim), np.full(length, NEVER))
                where = cut.positions(np.arange(site.size))
                leaves[where] = np.minimum(leaves[where], np.repeat(rank, cut.width))
        self._standing = standing(survey, encodings or {})
        self._rank = {tensor: first[tensor, 0] for tensor in self._standing if (tensor, 0) in first}
        for (tensor, dim), leaves in first.items():
            of.setdefault(tensor, []).append((dim, np.sort(leaves)))
        self._survey, self._encodings = survey, encodings or {}
        self._tensors = [
            _Axes(
                shape,
                tuple(of.get(t, ())),
                t not in survey.buffers,
                t in survey.features,
            )
            for t, shape in survey.shapes.items()
        ]

    @property
    def parameters(self) -> int:
        """Learned numbers with everything in its place."""
        return sum(math.prod(t.shape) for t in self._tensors if t.learned)

    def parameters_at(self, taken: int) -> int:
        """Learned numbers when the first `taken` have left."""
        return sum(t.at(taken)[1] for t in self._tensors if t.learned)

    def file_at(self, taken: int) -> int:
        """Bytes of the weights file then, its header included (`Plan.file_bytes`)."""
        left = {name: one.at(taken) for name, one in zip(self._survey.shapes, self._tensors, strict=True)}
        told = {t: one.told(self._ranks(t, one) >= taken) for t, one in self._standing.items()}
        return file_size(planned_facts(self._survey, left, {**self._encodings, **told}))

    def _ranks(self, tensor: str, one: Standing) -> NDArray[np.int64]:
        return self._rank.get(tensor, np.full(len(one.places), NEVER))

    def work_at(self, taken: int) -> float:
        """Multiply-adds of one row then: every entry of the network once, of every table that is looked up one row."""
        return sum(math.prod(t.at(taken)[0][1:]) if t.feature else t.at(taken)[1] for t in self._tensors if t.learned)
