"""EASE: every item scores every other item, in closed form. Steck 2019, "Embarrassingly Shallow Autoencoders"."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, nn

from recprune.data.dataset import Histories, Split
from recprune.encodings.faces import Packed
from recprune.errors import DataError
from recprune.kernels.products import linear
from recprune.models._closed import check_items, check_reg, popularity_scale
from recprune.models._precision import as_held
from recprune.models._ridge import Errors, gram, ridge_columns

__all__ = ["Ease"]

DOUBLE = 10_000
"""Items up to which is solved in double precision."""


class Ease(nn.Module):
    """scores = history @ B, with B the ridge solution whose diagonal is zero (Steck 2019, section 3.1).

    With G = X'X of the 0/1 histories X and P = (G + reg I)^-1: B[i, j] = -P[i, j] / P[j, j], B[j, j] = 0 (equation 8).
    `items` is a Linear without bias whose weight is B transposed: row j holds what each item of a history adds to the
    score of item j; where no graph and no gradient is asked for, only the columns of a history's items are read. After
    pruning, `items` may be a sparse module with the same call. Item 0 (unknown) has no entries.

    forward: history (batch, n_items) 0/1 -> scores (batch, n_items). reg: ridge strength in interactions, that of the
    last solution; what stays after pruning is solved again by the same where no other is said. user_power, dropout:
    which errors count how much (`_ridge.Errors`). item_power: the score of an item that n users had is n^-item_power
    times what the solution says, for popular items are told too well. The paper has 0 of all three.
    """

    scale: Tensor | None

    def __init__(
        self,
        n_items: int,
        reg: float = 500.0,
        user_power: float = 0.0,
        dropout: float = 0.0,
        item_power: float = 0.0,
    ) -> None:
        super().__init__()
        powers = {"user_power": user_power, "dropout": dropout, "item_power": item_power}
        self.config: dict[str, Any] = {"n_items": n_items, "reg": reg, **powers}
        self.columns: tuple[str, ...] = ("history",)
        self.items: nn.Module = nn.Linear(n_items, n_items, bias=False)
        self.register_buffer("scale", torch.ones(n_items) if item_power else None)
        self.reset_parameters()

    @classmethod
    def of(
        cls,
        split: Split,
        reg: float = 500.0,
        user_power: float = 0.0,
        dropout: float = 0.0,
        item_power: float = 0.0,
    ) -> Self:
        """The model for the items of a split."""
        return cls(split.train.n_items, reg, user_power, dropout, item_power)

    def reset_parameters(self) -> None:
        """All entries zero: there is nothing random in this model."""
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def forward(self, history: Tensor) -> Tensor:
        scores = linear(self.items, as_held(history, self.items))
        return scores if self.scale is None else scores * self.scale

    @torch.no_grad()
    def solve_(self, histories: Histories, reg: float | None = None, *, dtype: torch.dtype | None = None) -> None:
        """Put in the closed-form solution, by Cholesky.

        reg: None takes the model's own. dtype: None takes float64 up to 10,000 items and that of the model above, where
        all is done in the place of the weight, and about twice its memory is needed.
        Raises DataError when the items are sparse already (`refit_` solves those) or packed, when the histories are of
        another number of items, or when reg is not above 0.
        """
        weight = getattr(self.items, "weight", None)
        if isinstance(self.items, Packed):
            raise DataError("the item matrix is packed; solve the model first and pack it then, or unpack it")
        if not isinstance(weight, Tensor):
            raise DataError("the item matrix is sparse, so it has no dense solution; use refit_ instead of solve_")
        reg = self._reg(histories, len(weight), reg)
        dtype = dtype or _usual_dtype(weight)
        inverse = gram(histories, dtype, weight.data if weight.dtype is dtype else None, Errors.of(self.config))
        inverse.diagonal().add_(reg)
        torch.cholesky_inverse(torch.linalg.cholesky(inverse, out=inverse), out=inverse)
        inverse.div_(-inverse.diagonal().clone().unsqueeze(1))  # it is symmetric, so that its rows are its columns
        inverse.fill_diagonal_(0.0)
        weight.copy_(inverse)
        weight[0], weight[:, 0] = 0.0, 0.0

    @torch.no_grad()
    def refit_(self, histories: Histories, reg: float | None = None, *, dtype: torch.dtype | None = None) -> None:
        """Solve every item's kept entries again by ridge: (G[S, S] + reg I) b = G[S, j], S the inputs kept for item j.

        With a dense item matrix this is `solve_`. Raises DataError as `solve_` does.
        """
        if isinstance(self.items, nn.Linear | Packed):
            return self.solve_(histories, reg, dtype=dtype)
        values, indices, indptr = (getattr(self.items, name) for name in ("values", "indices", "indptr"))
        reg = self._reg(histories, len(indptr) - 1, reg)
        products = gram(histories, dtype or _usual_dtype(values, len(indptr)), errors=Errors.of(self.config))
        values.copy_(ridge_columns(products, indices, indptr, reg))

    def _reg(self, histories: Histories, n_items: int, reg: float | None) -> float:
        """The strength to solve by, once it is known that the histories fit; the model keeps it, and their scale."""
        reg = float(self.config["reg"]) if reg is None else reg
        check_items(histories, n_items)
        check_reg(reg)
        self.config["reg"] = reg
        if self.scale is not None:
            self.scale.copy_(popularity_scale(histories, float(self.config["item_power"])))
        return reg


def _usual_dtype(values: Tensor, n_items: int | None = None) -> torch.dtype:
    return torch.float64 if (n_items or len(values)) <= DOUBLE else values.dtype
