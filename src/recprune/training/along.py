"""Along: a sparse matrix by which factors are multiplied, where they are."""

from __future__ import annotations

from typing import Any

import scipy.sparse as sp
import torch
from torch import Tensor

__all__ = ["Along"]


class Along:
    """A sparse matrix (m, n) float32 that takes (n, dim) to (m, dim), without a gradient: by scipy on the processor,
    which is faster there than torch, and by torch where the factors are on a graphics card."""

    def __init__(self, matrix: sp.csr_matrix) -> None:
        self._matrix = matrix
        self._there: dict[torch.device, Tensor] = {}

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""
        rows, columns = self._matrix.shape
        return int(rows), int(columns)

    def __call__(self, factors: Tensor) -> Tensor:
        rows: Any = factors.detach()
        if not rows.is_cuda:
            wide = rows.to(torch.promote_types(rows.dtype, torch.float32))
            return torch.from_numpy(self._matrix @ wide.numpy()).to(factors.dtype)
        if rows.device not in self._there:
            m = self._matrix
            indptr, indices, data = (torch.from_numpy(part).to(rows.device) for part in (m.indptr, m.indices, m.data))
            self._there[rows.device] = torch.sparse_csr_tensor(indptr, indices, data, self.shape)
        found: Tensor = self._there[rows.device] @ rows.float()
        return found.to(factors.dtype)
