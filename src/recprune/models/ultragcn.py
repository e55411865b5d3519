"""UltraGCN: where endless layers along the graph would end, told to the loss. Mao et al. 2021, "UltraGCN"."""

from __future__ import annotations

from recprune.models._factors import Factors

__all__ = ["UltraGCN"]


class UltraGCN(Factors):
    """score(u, i) = user_u · item_i, learned by the `constraint` loss and never spread along the graph.

    What many layers of LightGCN converge to is a constraint on every pair, weighed by the counts of its user and item
    (Mao et al. 2021, section 3.2); a second one draws a user to the `neighbours` items that are had most with each of
    theirs, by the weight `item_item` (section 3.3). negative: how much all negatives of a pair count together;
    constant: what is added to the weight of every pair (1e-6 in the paper).

    forward: user (batch,) codes -> scores (batch, n_items) of all items.
    """

    def __init__(
        self,
        n_users: int,
        n_items: int,
        dim: int = 64,
        negative: float = 30.0,
        item_item: float = 5e-4,
        neighbours: int = 10,
        constant: float = 1e-6,
        start: str = "random",
    ) -> None:
        options = {"negative": negative, "item_item": item_item, "neighbours": neighbours, "constant": constant}
        super().__init__(n_users, n_items, dim, has_bias=False, start=start, **options)

    def constraints(self) -> dict[str, float]:
        """The weights of the loss."""
        return {name: self.config[name] for name in ("negative", "item_item", "neighbours", "constant")}
