"""Account: parameters and bytes before and after, exact, from shapes alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recprune.encodings.folded import FOLDED
from recprune.encodings.item_item import by_entries, stored_bytes
from recprune.encodings.spelled import Encoding, of_entries, spelled
from recprune.errors import PlanError
from recprune.planning.held import absorbed, sparse_matrices
from recprune.tracing.site import FLAT, Survey

__all__ = ["Account", "Row", "account", "packed", "stored_size"]


@dataclass(frozen=True, slots=True)
class Row:
    """One tensor before and after. `entries_after` are the stored entries, none of a norm that was folded;
    `bytes_after` holds indices as well."""

    tensor: str
    before: tuple[int, ...]
    after: tuple[int, ...]
    entries_after: int
    bytes_before: int
    bytes_after: int
    feature: bool
    learned: bool

    @property
    def entries_before(self) -> int:
        """Entries of the tensor as it was."""
        return math.prod(self.before)


@dataclass(frozen=True, slots=True)
class Account:
    """Parameters before and after: features P (tables that are looked up by ids), network Q (all others).

    Only learned numbers are parameters; bytes count buffers, indices and scales too.
    """

    rows: tuple[Row, ...]

    def _parameters(self, *, feature: bool, after: bool) -> int:
        rows = [r for r in self.rows if r.learned and r.feature is feature]
        return sum(r.entries_after if after else r.entries_before for r in rows)

    @property
    def features_before(self) -> int:
        """P before."""
        return self._parameters(feature=True, after=False)

    @property
    def features_after(self) -> int:
        """P after."""
        return self._parameters(feature=True, after=True)

    @property
    def network_before(self) -> int:
        """Q before."""
        return self._parameters(feature=False, after=False)

    @property
    def network_after(self) -> int:
        """Q after."""
        return self._parameters(feature=False, after=True)

    @property
    def parameters_before(self) -> int:
        """P + Q before."""
        return self.features_before + self.network_before

    @property
    def parameters_after(self) -> int:
        """P + Q after."""
        return self.features_after + self.network_after

    @property
    def bytes_before(self) -> int:
        """Bytes of all tensors before."""
        return sum(r.bytes_before for r in self.rows)

    @property
    def bytes_after(self) -> int:
        """Bytes of all tensors after, indices included."""
        return sum(r.bytes_after for r in self.rows)

    @property
    def share_removed(self) -> float:
        """Share of the parameters that leaves, 0..1."""
        return 1 - self.parameters_after / self.parameters_before if self.parameters_before else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Totals and rows as plain data."""
        names = ("features", "network", "parameters", "bytes")
        totals = {f"{n}_{w}": getattr(self, f"{n}_{w}") for n in names for w in ("before", "after")}
        return {**totals, "share_removed": self.share_removed, "rows": [asdict(r) for r in self.rows]}


def stored_size(
    shape: tuple[int, ...], entries: int, width: int, encoding: str | None, matrix: tuple[int, int] | None = None
) -> int:
    """Bytes of a tensor of which `entries` numbers of `width` bytes are left, stored as it is or by an encoding.

    A tensor that has lost all its rows or columns takes none, nor does one of a norm that was folded. matrix: the shape
    of the sparse matrix whose values these are.
    """
    if encoding == FOLDED:
        return 0
    if encoding is not None and matrix is not None:
        return of_entries(encoding, entries).stored_bytes(matrix, width) if entries else 0
    if encoding == "item_item":
        return stored_bytes(shape, entries, width)
    if encoding is None or not math.prod(shape):
        return entries * width
    chosen = spelled(encoding)
    some = {"entries": entries} if entries < math.prod(shape) and "entries" in chosen.kind.known else {}
    return chosen.kind.stored_bytes(shape, width, **{**some, **chosen.options})


def packed(survey: Survey, kept: Mapping[str, NDArray[np.int64]], encodings: Mapping[str, str]) -> dict[str, Encoding]:
    """Tensor -> the encoding of what stays of it, as it is packed once the cuts are made: without item_item, which is
    part of the cut, without norms that are folded, and without tensors of which nothing stays.

    Where entries leave, an encoding that stores some of them gets as many as stay (`Encoding.for_entries`).
    Raises PlanError for what is no matrix, or where entries leave and the encoding stores all; ExtensionError for an
    unknown one.
    """
    gone, out, sparse = _gone(survey, kept), {}, sparse_matrices(survey)
    for tensor, text in encodings.items():
        shape = survey.shapes[tensor]
        empty = any(mask.all() for (name, _), mask in gone.items() if name == tensor) or not math.prod(shape)
        if text in ("item_item", FOLDED) or empty:
            continue
        if tensor in sparse and by_entries(text):
            left = int((~gone[tensor, 0]).sum()) if (tensor, 0) in gone else shape[0]
            out[tensor] = of_entries(text, left)
            continue
        if len(shape) < 2:
            raise PlanError(f"{text} stores matrices, and {tensor!r} is of shape {shape}", tensor=tensor)
        out[tensor] = spelled(text)
        if (tensor, FLAT) in gone:
            some = out[tensor].for_entries(_staying(gone, tensor, shape))
            if some is None:
                raise PlanError(
                    f"entries of {tensor!r} leave, and {text} stores all of them; name item_item, sparse_rows or "
                    "top_entries",
                    tensor=tensor,
                )
            out[tensor] = some
    return out


def account(survey: Survey, kept: Mapping[str, NDArray[np.int64]], encodings: Mapping[str, str]) -> Account:
    """Count what a plan keeps. kept: site -> units that stay; a site that is not named keeps all.

    Entries of a packed tensor are parameters as before; its bytes are those of the codes, with scales and indices. What
    says where the values of a sparse matrix stand is counted with them once they are codes.
    """
    gone, stored = _gone(survey, kept), packed(survey, kept, encodings)
    sparse, inside = sparse_matrices(survey), absorbed(survey, stored)
    rows = []
    for tensor, shape in survey.shapes.items():
        axes = [dim for dim in (FLAT, *range(len(shape))) if (tensor, dim) in gone]
        left = {dim: int((~gone[tensor, dim]).sum()) for dim in axes}
        after = tuple(left.get(dim, size) for dim, size in enumerate(shape))
        entries, width = left.get(FLAT, math.prod(after)), survey.bytes_per_entry[tensor]
        if encodings.get(tensor) == FOLDED:
            entries = size = 0
        elif tensor in inside:
            size = 0
        elif tensor in stored and tensor in sparse:
            size = stored[tensor].stored_bytes(sparse[tensor].shape, width)
        elif tensor in stored:
            entries, size = stored[tensor].stored_entries(after), stored[tensor].stored_bytes(after, width)
        else:
            size = stored_size(after, entries, width, encodings.get(tensor))
        rows.append(
            Row(
                tensor,
                shape,
                after,
                entries,
                math.prod(shape) * width,
                size,
                feature=tensor in survey.features,
                learned=tensor not in survey.buffers,
            )
        )
    return Account(tuple(rows))


def _staying(
    gone: Mapping[tuple[str, int], NDArray[np.bool_]], tensor: str, shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """(rows, columns) entries of a matrix that stay, in the rows and columns that stay."""
    stays = ~gone[tensor, FLAT].reshape(shape)
    rows, columns = (~gone[tensor, dim] if (tensor, dim) in gone else np.ones(shape[dim], np.bool_) for dim in (0, 1))
    return np.asarray(stays[rows][:, columns])


def _gone(survey: Survey, kept: Mapping[str, NDArray[np.int64]]) -> dict[tuple[str, int], NDArray[np.bool_]]:
    """(tensor, axis) -> which of its positions leave."""
    gone: dict[tuple[str, int], NDArray[np.bool_]] = {}
    for site in survey.sites:
        if site.name not in kept or len(kept[site.name]) == site.size:
            continue
        leaves = np.ones(site.size, dtype=np.bool_)
        leaves[kept[site.name]] = False
        for cut in site.cuts:
            shape = survey.shapes[cut.tensor]
            length = math.prod(shape) if cut.dim == FLAT else shape[cut.dim]
            mask = gone.setdefault((cut.tensor, cut.dim), np.zeros(length, dtype=np.bool_))
            taken = mask[cut.start : cut.start + site.size * cut.width]
            taken |= leaves if cut.width == 1 else leaves.repeat(cut.width)
    return gone
