"""ALS: implicit feedback by least squares, in turns. Hu et al. 2008; Rendle et al. 2022, "Revisiting iALS"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recprune.data.dataset import Histories, Split
from recprune.encodings.faces import Packed, scores
from recprune.encodings.watched import is_graph
from recprune.errors import DataError
from recprune.kernels.least_squares import least_squares
from recprune.kernels.products import is_plain
from recprune.models._alternating import alternate
from recprune.models._closed import check_items, check_reg
from recprune.models._precision import as_held

__all__ = ["Als"]

STEPS, MOST = 16, 64
"""Steps of conjugate gradients by which a user is found: in a graph; and where it ends once nothing is left to gain."""

ENOUGH = 1e-16
"""Share of a user's squared residual, at the beginning, that is nothing in float32."""


class Als(nn.Module):
    """score(u, j) = w_u . v_j, where w_u is found from the history S of u, so that no user has a row.

    The factors make small sum over S of (w.v_i - 1)^2 + alpha * sum over all items of (w.v_i)^2 + reg (|S| + alpha n)
    |w|^2, summed over users, with the like term for items (Hu et al. 2008, section 4, with the unobserved weight and
    the regularisation by frequency of Rendle et al. 2022, section 3, nu = 1). In the end the factors are turned to
    their principal axes, which changes no score. A user is the solution of
    (sum over S of v v' + alpha V'V + reg (|S| + alpha n) I) w = sum over S of v, by conjugate
    gradients in double precision.

    forward: history (batch, n_items) 0/1 -> scores (batch, n_items). sweeps: over users and items, while it is solved.
    """

    def __init__(self, n_items: int, dim: int = 64, alpha: float = 0.1, reg: float = 0.003, sweeps: int = 16) -> None:
        super().__init__()
        self.config: dict[str, Any] = {"n_items": n_items, "dim": dim, "alpha": alpha, "reg": reg, "sweeps": sweeps}
        self.columns: tuple[str, ...] = ("history",)
        self.item = nn.Embedding(n_items, dim)
        self.reset_parameters()

    @classmethod
    def of(cls, split: Split, dim: int = 64, alpha: float = 0.1, reg: float = 0.003, sweeps: int = 16) -> Self:
        """The model for the items of a split."""
        return cls(split.train.n_items, dim, alpha, reg, sweeps)

    def reset_parameters(self) -> None:
        """Small factors (standard deviation 0.1 / sqrt(dim)); item 0 (unknown) has none."""
        nn.init.normal_(self.item.weight, std=0.1 * self.item.weight.shape[1] ** -0.5)
        with torch.no_grad():
            self.item.weight[0] = 0.0

    def forward(self, history: Tensor) -> Tensor:
        return scores(self.item, self.query(history))

    def query(self, history: Tensor) -> Tensor:
        """(batch, dim): the users of these histories."""
        history = as_held(history, self.item)
        if isinstance(self.item, nn.Embedding) and is_plain(history) and is_plain(self.item.weight):
            return self.reader()(history)
        weight = _weight(self.item).double()
        alpha, reg, n_items = (float(self.config[name]) for name in ("alpha", "reg", "n_items"))
        ridge = reg * (history[:, 1:].sum(1, keepdim=True) + alpha * n_items).double()
        taken, wanted = _by_all(weight, history.double()) if is_graph() else _by_entries(weight, history)
        rest, diagonal = alpha * (weight.T @ weight), alpha * weight.square().sum(0) + ridge
        return _solved(lambda w: taken(w) + w @ rest + ridge * w, wanted, diagonal).to(history.dtype)

    def reader(self) -> Callable[[Tensor], Tensor]:
        """What finds users as `query` does, without gradients, for as long as no factor changes: V'V is made once, and
        of a history only its items are read."""
        weight = _weight(self.item).detach()
        alpha, reg, n_items = (float(self.config[name]) for name in ("alpha", "reg", "n_items"))
        rest = alpha * (weight.T.double() @ weight.double())

        def found(history: Tensor) -> Tensor:
            users, items = history.detach().nonzero(as_tuple=True)
            counts, much = torch.bincount(users, minlength=len(history)), history.detach()[users, items]
            ridge = reg * (history.detach()[:, 1:].sum(1) + alpha * n_items).double()
            starts, places = F.pad(counts.cumsum(0), (1, 0)).numpy(), np.arange(len(items))
            begin = rest.new_zeros(len(history), weight.shape[1])
            near = weight[items].double()
            return least_squares(starts, places, near, rest, ridge, begin, steps=MOST, weights=much).to(history.dtype)

        return found

    @torch.no_grad()
    def refit_(self, histories: Histories, reg: float | None = None) -> None:
        """Solve for users and items in turns, from the factors that there are, in as many dims as there are.

        reg: None takes the model's own, which is that of the last solution. Raises DataError where the table is packed,
        the histories are of another number of items, or reg is not above 0.
        """
        reg = float(self.config["reg"]) if reg is None else reg
        _check(self.item, histories, reg)
        self.config["reg"], weight = reg, _weight(self.item)
        found = alternate(histories, weight, float(self.config["alpha"]), reg, int(self.config["sweeps"]))
        weight.copy_(found)


Product = Callable[[Tensor], Tensor]


def _weight(table: nn.Module) -> Tensor:
    weight: Tensor = table.weight  # type: ignore[assignment]
    return weight


def _by_all(weight: Tensor, history: Tensor) -> tuple[Product, Tensor]:
    """w -> sum over S of (v.w) v, and the sum over S of v, by operations that a graph can hold."""
    return lambda w: (history * (w @ weight.T)) @ weight, history @ weight


def _by_entries(weight: Tensor, history: Tensor) -> tuple[Product, Tensor]:
    """The same by the entries of the histories alone."""
    users, items = history.nonzero(as_tuple=True)
    factors, much = weight[items], history[users, items].unsqueeze(1)
    zero = torch.zeros_like(history[:, :1] * weight[:1])

    def taken(w: Tensor) -> Tensor:
        return zero.index_add(0, users, factors * (much * (factors * w[users]).sum(1, keepdim=True)))

    return taken, zero.index_add(0, users, factors * much)


def _solved(product: Product, wanted: Tensor, diagonal: Tensor) -> Tensor:
    """Conjugate gradients for every row at once, preconditioned by a diagonal (Golub & Van Loan 2013, section 11.5)."""
    tiny = torch.finfo(wanted.dtype).tiny
    out, rest = torch.zeros_like(wanted), wanted
    near = rest / diagonal
    way, size = near, (rest * near).sum(1, keepdim=True)
    graph, enough = is_graph(), ENOUGH * size
    for _ in range(STEPS if graph else MOST):
        if not graph and not bool((size > enough).any()):
            break
        turned = product(way)
        length = size / (way * turned).sum(1, keepdim=True).clamp(min=tiny)
        out, rest = out + length * way, rest - length * turned
        near = rest / diagonal
        before, size = size, (rest * near).sum(1, keepdim=True)
        way = near + size / before.clamp(min=tiny) * way
    return out


def _check(table: nn.Module, histories: Histories, reg: float) -> None:
    if isinstance(table, Packed):
        raise DataError("the item table is packed; solve the model first and pack it then, or unpack it")
    check_items(histories, len(_weight(table)))
    check_reg(reg)
