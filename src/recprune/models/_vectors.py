"""Singular vectors of the graph of users and items: what spectral models are, and what others begin from."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

__all__ = ["right_vectors"]

MORE = 32
"""Directions beside those that are asked for, in which they are looked for."""
PASSES = 10
"""Passes over the graph by which its singular vectors are found."""


def right_vectors(graph: sp.csr_matrix, dim: int) -> NDArray[np.float32]:
    """(n_items, dim) the first right singular vectors, largest first; zeros where there are no more.

    Randomised subspace iteration (Halko et al. 2011, algorithm 4.4), drawn by seed 0.
    """
    out, pairs = np.zeros((graph.shape[1], dim), dtype=np.float32), graph.tocoo()
    places = torch.from_numpy(np.stack([pairs.row, pairs.col]).astype(np.int64))
    sparse = torch.sparse_coo_tensor(places, torch.from_numpy(pairs.data), pairs.shape, check_invariants=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _, sizes, vectors = torch.svd_lowrank(sparse.coalesce(), min(dim + MORE, *graph.shape), niter=PASSES)
    there = sizes[:dim] > 1e-6 * sizes[:1].clamp(min=1e-30)
    out[:, : int(there.sum())] = vectors[:, :dim][:, there].numpy()
    return out
