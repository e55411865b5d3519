"""Models of histories that are sums of item factors, alone or beside a memory: lists without a row of all items."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recprune.data.dataset import Histories
from recprune.encodings.faces import lengths
from recprune.kernels.catalogue import Catalogue
from recprune.kernels.walks import Walks
from recprune.models.fism import Fism
from recprune.models.mixture import Mixture
from recprune.serving.eager import Eager
from recprune.serving.histories import once_of, padded, part_of
from recprune.serving.recommender import Codes, Listed

__all__ = ["ByFactors", "ByWalks"]


class ByWalks:
    """A `Recommender` of `mixture`: factors and walks, or factors and neighbours, in one call."""

    by_user, by_history = False, True

    def __init__(self, eager: Eager) -> None:
        model: Mixture = eager.model  # type: ignore[assignment]
        self.n_items = eager.n_items
        made: Any = Walks.over_users if model.config["memory"] == "users" else Walks.over_entries
        how = {"temperature": model.temperature, "share": float(model.config["share"]), "without": [0]}
        self.walks: Walks = made(model.item, model.items, **how)

    def lists(self, user: int, history: Codes, k: int, exclude: Codes) -> Listed:
        return Listed(*self.walks.top(history, k, exclude))

    def many(
        self, rows: Codes, histories: Histories, codes: Codes, k: int, with_seen: bool
    ) -> tuple[Codes, NDArray[np.float32]]:
        starts, items = part_of(histories, rows)
        return padded(
            self.walks.top_of_all((starts, items), k, (np.zeros_like(starts), items[:0]) if with_seen else None)
        )


class ByFactors:
    """A `Recommender` of `fism`: the sum of the rows of a history, and the rows that point the same way."""

    by_user, by_history = False, True

    def __init__(self, eager: Eager) -> None:
        self.model: Fism = eager.model  # type: ignore[assignment]
        self.n_items = eager.n_items
        with torch.no_grad():
            self.catalogue = Catalogue.of(self.model.item, scale=1 / lengths(self.model.item), without=[0])

    def lists(self, user: int, history: Codes, k: int, exclude: Codes) -> Listed:
        once = np.unique(history)
        return Listed(*self.catalogue.top(self._queries(once, np.zeros_like(once), 1)[0], k, exclude))

    def many(
        self, rows: Codes, histories: Histories, codes: Codes, k: int, with_seen: bool
    ) -> tuple[Codes, NDArray[np.float32]]:
        starts, items = once_of(histories, rows)
        owner = np.repeat(np.arange(len(rows)), np.diff(starts))
        queries = self._queries(items, owner, len(rows))
        return padded(self.catalogue.top_of_all(queries, k, None if with_seen else (starts, items)))

    @torch.inference_mode()
    def _queries(self, items: Codes, owner: Codes, users: int) -> Tensor:
        found = self.model.of_items(torch.from_numpy(items), torch.from_numpy(owner), users)
        return found / self.model.temperature
