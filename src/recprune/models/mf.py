"""MF: matrix factorisation, a user and an item meet in a dot product. Koren et al. 2009, "Matrix Factorization"."""

from __future__ import annotations

from recprune.models._factors import Factors

__all__ = ["MF"]


class MF(Factors):
    """score(u, i) = user_u · item_i + bias_i (Koren et al. 2009, equation 4, without the terms that rank nothing).

    bias: whether items have one. start: "spectral" begins from singular vectors of the graph of users and items (Shen
    et al. 2021), "random" from drawn numbers. forward: user (batch,) codes -> scores (batch, n_items) of all items.
    Trained with the pairwise loss of BPR (Rendle et al. 2009, section 4.3), a full softmax, or a sampled one.
    """

    def __init__(self, n_users: int, n_items: int, dim: int = 64, bias: bool = True, start: str = "random") -> None:
        super().__init__(n_users, n_items, dim, has_bias=bias, start=start, bias=bias)
