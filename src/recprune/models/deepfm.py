"""DeepFM: a factorisation machine and a tower over one table of embeddings. Guo et al. 2017, "DeepFM"."""

from __future__ import annotations

from torch import Tensor

from recprune.models._tower import pairs_of
from recprune.models.wide_deep import WideDeep

__all__ = ["DeepFM"]


class DeepFM(WideDeep):
    """logit = bias + sum w_f + sum_{f<g} <e_f, e_g> + tower(e_1, ..., e_F) (Guo et al. 2017, equations 1 to 4).

    Vectors e_f and weights w_f of all fields are those of FieldModel. The tower is `hidden` layers of Linear, BatchNorm
    (if `norm`), ReLU and Dropout, then one unit. sizes: rows of each field, its row 0 included; 0 for a numeric field.

    forward: one column a field -> logits (batch,).
    """

    def deep(self, vectors: Tensor) -> Tensor:
        """(batch,) inner products of all pairs, and the tower."""
        return pairs_of(vectors) + super().deep(vectors)
