"""Faces: what stands in the place of an Embedding, an EmbeddingBag or a Linear whose weight is stored as codes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recprune.encodings.codes import ENTRIES, Codes
from recprune.encodings.quick import Place, placed, same
from recprune.encodings.watched import is_graph
from recprune.errors import SurgeryError

__all__ = [
    "Packed",
    "PackedEmbedding",
    "PackedEmbeddingBag",
    "PackedLinear",
    "least",
    "lengths",
    "rows_of",
    "scores",
    "summed",
]


class Packed(nn.Module):
    """A module whose `weight` is decoded when it is asked for; `rows` decodes some rows, `multiply` none for long."""

    def __init__(self, stored: Codes) -> None:
        super().__init__()
        self.stored = stored
        self._found: tuple[list[Place], Tensor] | None = None

    @property
    def weight(self) -> Tensor:
        """The whole decoded matrix, a new tensor every time."""
        return self.stored.dense()

    def held(self) -> Tensor:
        """`weight`, which small codes decode once: nobody may write into it."""
        kept = self.stored.kept()
        return self.stored.dense() if kept is None else kept

    def rows(self, indices: Tensor) -> Tensor:
        """weight[indices], without decoding the others."""
        return self.stored.rows(indices)

    def multiply(self, x: Tensor) -> Tensor:
        """x @ weight.T, some rows at a time."""
        return self.stored.multiply(x)

    def lengths(self) -> Tensor:
        """(rows,) the length of every row, at least 1e-12: found at the first call and kept beside the codes."""
        if is_graph():
            return self._lengths()
        parts = self.stored._buffers.values()
        if self._found is None or not same(self._found[0], parts):
            self._found = placed(parts), self._lengths()
        return self._found[1]

    def _lengths(self) -> Tensor:
        high, wide = self.stored.shape
        step = max(1, ENTRIES // wide)
        starts = range(0, high, step)
        blocks = [torch.arange(a, min(a + step, high), device=self.stored.codes.device) for a in starts]
        return torch.cat([_lengths(self.rows(block)) for block in blocks])


class _Table(Packed):
    """A table of rows that are looked up."""

    def __init__(self, stored: Codes, padding_idx: int | None) -> None:
        super().__init__(stored)
        self.padding_idx = padding_idx

    @property
    def num_embeddings(self) -> int:
        """Rows."""
        return self.stored.shape[0]

    @property
    def embedding_dim(self) -> int:
        """Columns."""
        return self.stored.shape[1]


class PackedEmbedding(_Table):
    """Looks up rows, as nn.Embedding does."""

    def forward(self, input: Tensor) -> Tensor:
        """input: indices of any shape -> (..., embedding_dim)."""
        return self.rows(input)


class PackedEmbeddingBag(_Table):
    """Sums, averages or takes the largest of the rows of a bag, as nn.EmbeddingBag does."""

    def __init__(self, stored: Codes, padding_idx: int | None, mode: str, include_last_offset: bool) -> None:
        super().__init__(stored, padding_idx)
        self.mode, self.include_last_offset = mode, include_last_offset

    def forward(self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None) -> Tensor:
        """input: (bags, length), or (total,) with `offsets` -> (bags, embedding_dim)."""
        flat = input.reshape(-1)
        rows, places, padding = self.rows(flat), torch.arange(flat.shape[0], device=flat.device), None
        if self.padding_idx is not None:  # a row of its own that stands for all padding
            rows, padding = F.pad(rows, (0, 0, 1, 0)), 0
            places = (places + 1).masked_fill(flat == self.padding_idx, 0)
        return F.embedding_bag(
            places.reshape(input.shape),
            rows,
            offsets,
            mode=self.mode,
            per_sample_weights=per_sample_weights,
            include_last_offset=self.include_last_offset,
            padding_idx=padding,
        )


class PackedLinear(Packed):
    """Multiplies with the weight and adds the bias, as nn.Linear does."""

    def __init__(self, stored: Codes, bias: nn.Parameter | None) -> None:
        super().__init__(stored)
        self.register_parameter("bias", bias)
        self.bias: nn.Parameter | None

    @property
    def in_features(self) -> int:
        """Columns."""
        return self.stored.shape[1]

    @property
    def out_features(self) -> int:
        """Rows."""
        return self.stored.shape[0]

    def forward(self, input: Tensor) -> Tensor:
        """input: (..., in_features) -> (..., out_features)."""
        kept = self.stored.kept()
        if kept is not None and kept.dtype is input.dtype:
            return F.linear(input, kept, self.bias)
        product = self.multiply(input)
        return product if self.bias is None else product.add_(self.bias)

    def check(self) -> None:
        """Raise SurgeryError where the bias has another length than the weight."""
        if self.bias is not None and self.bias.shape != (self.out_features,):
            raise SurgeryError(f"a bias of shape {tuple(self.bias.shape)} beside {self.out_features} packed rows")


def scores(table: nn.Module, query: Tensor) -> Tensor:
    """query @ table.weight.T: (..., rows) for query (..., columns), without holding the weight where it is packed."""
    if isinstance(table, Packed):
        return table.multiply(query)
    weight: Tensor = table.weight  # type: ignore[assignment]
    return query @ weight.T


def rows_of(table: nn.Module, indices: Tensor) -> Tensor:
    """table.weight[indices], without decoding the other rows where it is packed."""
    if isinstance(table, Packed):
        return table.rows(indices)
    weight: Tensor = table.weight  # type: ignore[assignment]
    return weight[indices]


def summed(table: nn.Module, history: Tensor) -> Tensor:
    """history @ table.weight: (batch, columns) for history (batch, rows); a packed table decodes what is there."""
    if not isinstance(table, Packed) or is_graph():
        weight: Tensor = table.weight  # type: ignore[assignment]
        return history @ weight
    users, rows = history.nonzero(as_tuple=True)
    found = table.rows(rows) * history[users, rows].unsqueeze(1)
    return found.new_zeros(len(history), found.shape[1]).index_add(0, users, found)


def lengths(table: nn.Module) -> Tensor:
    """(rows,) the length of every row of a table, at least 1e-12; of a packed one they are found once, for its codes
    do not change."""
    if isinstance(table, Packed):
        return table.lengths()
    weight: Tensor = table.weight  # type: ignore[assignment]
    return _lengths(weight)


def _lengths(rows: Tensor) -> Tensor:
    found: Tensor = torch.linalg.vector_norm(rows, dim=1)
    return found.clamp(min=least(rows.dtype))


def least(dtype: torch.dtype) -> float:
    """What a length is at least, so that one can divide by it: 1e-12, which float16 does not have."""
    return max(1e-12, torch.finfo(dtype).tiny)
