"""Sparse matrices of a model that hold entries only, and the tensors that leave where these are stored as codes."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass

from recprune.encodings.item_item import by_entries
from recprune.tracing.site import Site, Survey

__all__ = ["Held", "absorbed", "cut_by_entries", "sparse_matrices"]


@dataclass(frozen=True, slots=True)
class Held:
    """shape: (rows, columns) of the matrix. beside: tensors that say where its values stand. site: of these values."""

    shape: tuple[int, int]
    beside: tuple[str, ...]
    site: Site


def sparse_matrices(survey: Survey) -> dict[str, Held]:
    """Tensor of values -> the matrix that they are the entries of."""
    out = {}
    for site in survey.sites:
        if site.matrix is not None:
            values = site.cuts[0].tensor
            path = values.rpartition(".")[0]
            names = tuple(f"{path}.{part}" for part in ("indices", "indptr"))
            out[values] = Held(site.matrix, tuple(name for name in names if name in survey.shapes), site)
    return out


def absorbed(survey: Survey, encodings: Container[str]) -> frozenset[str]:
    """Tensors that are part of codes once their values are stored so."""
    found = [one for tensor, one in sparse_matrices(survey).items() if tensor in encodings]
    return frozenset(name for one in found for name in one.beside)


def cut_by_entries(survey: Survey, encodings: Mapping[str, str]) -> bool:
    """Whether entries of a dense matrix leave through one of the encodings, so that what stays is sparse."""
    sparse = sparse_matrices(survey)
    return any(by_entries(text) and tensor not in sparse for tensor, text in encodings.items())
