"""Sparse matrices of a model that hold entries only, and the tensors that leave where these are stored as codes."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from recprune.encodings.folded import FOLDED
from recprune.encodings.item_item import by_entries
from recprune.tracing.site import FLAT, Site, Survey

__all__ = ["Held", "absorbed", "cut_by_entries", "inexact", "of_single_entries", "sparse_matrices"]


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
    dense = of_single_entries(survey, (site.name for site in survey.sites))
    return any(by_entries(text) and tensor in dense for tensor, text in encodings.items())


def of_single_entries(survey: Survey, sites: Iterable[str]) -> frozenset[str]:
    """Dense tensors whose entries leave one by one with units of these sites."""
    return frozenset(cut.tensor for name in sites for cut in survey.site(name).cuts if cut.dim == FLAT)


def inexact(survey: Survey, encodings: Mapping[str, str], sites: Iterable[str]) -> dict[str, str]:
    """The encodings that change what stays when units of these sites leave.

    Those of entries that leave, or of a sparse matrix, count as exact, and so does a norm that is folded.
    """
    sparse = of_single_entries(survey, sites) | sparse_matrices(survey).keys()
    exact = {t for t, text in encodings.items() if text in ("item_item", FOLDED) or (by_entries(text) and t in sparse)}
    return {tensor: text for tensor, text in encodings.items() if tensor not in exact}
