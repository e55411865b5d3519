"""LightGCN: factors spread along the graph of users and items. He et al. 2020, "LightGCN"."""

from __future__ import annotations

from typing import Self

from recprune.data.dataset import Split
from recprune.models.mf import MF

__all__ = ["LightGCN"]


class LightGCN(MF):
    """score(u, i) = e_u · e_i, where e is the mean over k = 0 .. layers of A^k E (He et al. 2020, equations 3 to 8).

    Only E is trained. A has an entry for every pair of a user and an item, 1 over the roots of both counts; it belongs
    to the training data, and once training is over e is all that is left: the tables of a plain factorisation without
    biases, which can be pruned and served as one, and trained on, through the graph again.

    forward: user (batch,) codes -> scores (batch, n_items) of all items. Trained by bpr in the paper; a softmax, full
    or sampled, costs no more here, for most of a step is the way along the graph: 2 * layers products with A there, as
    many back.
    """

    def __init__(self, n_users: int, n_items: int, dim: int = 64, layers: int = 2) -> None:
        super().__init__(n_users, n_items, dim, bias=False)
        self.config = {"n_users": n_users, "n_items": n_items, "dim": dim, "layers": layers}

    @classmethod
    def of(cls, split: Split, dim: int = 64, layers: int = 2) -> Self:
        """The model for the users and items of a split."""
        return cls(split.train.n_users, split.train.n_items, dim, layers)

    def propagation(self) -> tuple[str, str, int]:
        """The tables of users and of items that are spread while the model is trained, and over how many layers."""
        return "user.weight", "item.weight", int(self.config["layers"])
