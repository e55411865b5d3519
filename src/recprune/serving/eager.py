"""The model as it is, in torch: works for every model, and says what others must equal."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.data.dataset import Histories
from recprune.errors import DataError
from recprune.evaluation.inputs import columns_of, ranks, user_inputs
from recprune.evaluation.topk import top_k
from recprune.serving.recommender import Codes, Listed

__all__ = ["Eager"]

FIRST = np.zeros(1, dtype=np.int64)


class Eager:
    """A `Recommender` that runs forward and takes the highest scores.

    n_items: rows of its item vocabulary. forward: what runs in the place of the model, and gives the same. Raises
    DataError for a model that scores rows and not items.
    """

    def __init__(self, model: nn.Module, n_items: int, forward: Callable[..., Tensor] | None = None) -> None:
        if not ranks(model):
            raise DataError(
                f"{type(model).__name__} scores rows ({', '.join(columns_of(model))}) and gives no lists; "
                "`recprune serve` offers it as /score",
                model=type(model).__name__,
            )
        self.model, self.n_items = model.eval(), n_items
        self.forward: Callable[..., Tensor] = forward or self.model
        self.by_user = "user" in columns_of(model)
        self.by_history = bool({"history", "sequence"} & set(columns_of(model)))

    @torch.inference_mode()
    def lists(self, user: int, history: Codes, k: int, exclude: Codes) -> Listed:
        one = Histories(np.array([0, len(history)]), history.astype(np.int32), self.n_items)
        scores = self._scores(FIRST, one, np.array([user]))
        scores[0, torch.from_numpy(exclude)] = -torch.inf
        items = top_k(scores, k)[0]
        items = items[items > 0]
        return Listed(items.numpy(), scores[0, items].numpy())

    @torch.inference_mode()
    def many(
        self, rows: Codes, histories: Histories, codes: Codes, k: int, with_seen: bool
    ) -> tuple[Codes, NDArray[np.float32]]:
        scores = self._scores(rows, histories, codes)
        if not with_seen:
            places, items = histories.pairs(rows)
            scores[torch.from_numpy(places), torch.from_numpy(items.astype(np.int64))] = -torch.inf
        top = top_k(scores, k)
        return top.numpy(), scores.gather(1, top).numpy()

    def _scores(self, rows: Codes, histories: Histories, codes: Codes) -> Tensor:
        """(n, n_items) float32 on the processor, its own, -inf for the unknown item."""
        scores: Tensor = self.forward(*user_inputs(self.model, histories, rows, renumber={"user": codes}))
        if scores.shape != (len(rows), self.n_items):
            raise DataError(
                f"expected scores of shape {(len(rows), self.n_items)}, one an item and row 0 for the unknown one; "
                f"{type(self.model).__name__} gives {tuple(scores.shape)}. Is it stored with its own vocabularies?",
                shape=tuple(scores.shape),
            )
        out = torch.empty(scores.shape, dtype=torch.float32).copy_(scores)
        out[:, 0] = -torch.inf
        return out
