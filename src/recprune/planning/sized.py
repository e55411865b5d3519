"""sized: the bytes that entries take, where they go by which of them stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recprune.encodings.pair_gaps import PairGaps
from recprune.encodings.spelled import Encoding, spelled
from recprune.planning.held import sparse_matrices
from recprune.tracing.site import Survey

__all__ = ["Standing", "sized", "standing"]


@dataclass(frozen=True, slots=True)
class Standing:
    """A sparse matrix whose entries take as many bytes as their places ask for: (entries,) int64, row * columns +
    column. site: of these entries."""

    encoding: Encoding
    shape: tuple[int, int]
    places: Tensor
    site: str

    def told(self, stays: NDArray[np.int64] | NDArray[np.bool_]) -> str:
        """The encoding with the bytes that these entries take: their numbers, or a mask."""
        kept = self.places[torch.from_numpy(stays)]
        room = {"room": PairGaps.room(kept, self.shape)} if len(kept) else {}
        said = {name: value for name, value in self.encoding.options.items() if name != "room"}
        return str(replace(self.encoding, options={**said, **room}))


def standing(survey: Survey, encodings: Mapping[str, str]) -> dict[str, Standing]:
    """Tensor of values -> where its entries stand, for those of `pair_gaps` of which the survey says it."""
    out, sparse = {}, sparse_matrices(survey)
    for tensor in sparse.keys() & encodings.keys():
        site, shape = sparse[tensor].site, sparse[tensor].shape
        if site.where is not None and encodings[tensor].partition("(")[0] == "pair_gaps":
            starts, columns = (torch.from_numpy(part).long() for part in site.where)
            rows = torch.repeat_interleave(torch.arange(shape[0]), starts.diff(), output_size=len(columns))
            out[tensor] = Standing(spelled(encodings[tensor]), shape, rows * shape[1] + columns, site.name)
    return out


def sized(survey: Survey, encodings: Mapping[str, str], kept: Mapping[str, NDArray[np.int64]]) -> dict[str, str]:
    """The encodings, each told how many bytes it takes where that goes by the units that stay. kept: as in a plan.

    What a survey does not say, as one that was read from a file, stays as it was said.
    """
    found = standing(survey, encodings)
    stays = {t: kept[one.site] if one.site in kept else np.arange(len(one.places)) for t, one in found.items()}
    return {**encodings, **{tensor: one.told(stays[tensor]) for tensor, one in found.items()}}
