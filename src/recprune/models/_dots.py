"""Dot products of queries with rows of a table: the same rows for all of them, or some for each."""

from __future__ import annotations

from torch import Tensor

__all__ = ["dots"]

FEW = 16
"""Rows of a query up to which a product is added up by itself: matrices as small are slow to multiply in batches, three
to eight times as slow backwards."""


def dots(query: Tensor, rows: Tensor) -> Tensor:
    """(batch, m): of query (batch, dim) with rows (m, dim), the same for every query, or (batch, m, dim), its own."""
    if rows.ndim == 2:
        return query @ rows.T
    if rows.shape[1] <= FEW:
        return (rows * query.unsqueeze(1)).sum(2)
    return (rows @ query.unsqueeze(2)).squeeze(2)
