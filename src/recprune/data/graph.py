"""normal_graph(): who had what, each pair weighed by how much its user and its item have."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recprune.data.dataset import Histories

__all__ = ["normal_graph"]


def normal_graph(histories: Histories) -> tuple[sp.csr_matrix, NDArray[np.float32]]:
    """N (n_users, n_items) float32: 1 over the roots of the counts of user and item for every pair, once each, and none
    of the unknown item; and the roots (n_items,) of how many users each item has, 1 where it has none."""
    matrix = histories.matrix(unknown=False)
    users, items = (np.maximum(np.asarray(matrix.sum(axis)).ravel(), 1.0) for axis in (1, 0))
    normal = (sp.diags(users**-0.5) @ matrix @ sp.diags(items**-0.5)).astype(np.float32).tocsr()
    return normal, np.sqrt(items).astype(np.float32)
