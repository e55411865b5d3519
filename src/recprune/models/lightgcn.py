"""LightGCN: factors spread along the graph of users and items. He et al. 2020, "LightGCN"."""

from __future__ import annotations

from recprune.models._factors import Factors

__all__ = ["LightGCN"]


class LightGCN(Factors):
    """score(u, i) = e_u · e_i, where e is the mean over k = 0 .. layers of A^k E (He et al. 2020, equations 3 to 8).

    Only E is trained. A has an entry for every pair of a user and an item, 1 over the roots of both counts; it belongs
    to the training data, and once training is over e is all that is left: the tables of a plain factorisation without
    biases, which can be pruned and served as one, and trained on, through the graph again.

    forward: user (batch,) codes -> scores (batch, n_items) of all items. Trained by bpr in the paper; a softmax, full
    or sampled, costs no more here, for most of a step is the way along the graph: 2 * layers products with A there, as
    many back.
    """

    def __init__(self, n_users: int, n_items: int, dim: int = 64, layers: int = 2, start: str = "random") -> None:
        super().__init__(n_users, n_items, dim, has_bias=False, start=start, layers=layers)

    def propagation(self) -> tuple[str, str, int]:
        """The tables of users and of items that are spread while the model is trained, and over how many layers."""
        return "user.weight", "item.weight", int(self.config["layers"])
