"""Where factors begin: drawn, or the singular vectors of the graph of users and items."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recprune.data.dataset import Histories, Split
from recprune.data.graph import normal_graph
from recprune.errors import DataError
from recprune.models._closed import check_items
from recprune.models._vectors import right_vectors

__all__ = ["Start", "begin_", "check_start", "check_users", "spectral_rows"]

STARTS = ("random", "spectral")
NOISE = 0.2
"""Of what was drawn, how much is left beside the singular vectors: items that nobody had still differ."""


class Start(nn.Module):
    """Models that can begin from what a closed form finds in the histories that they are about to learn.

    Training calls `start_` on a model that is `fresh`: its weights are still those that were drawn, and its start is
    "spectral". What was trained, loaded or set goes on from where it is.
    """

    config: dict[str, Any]
    _as_drawn: int | None = None

    def start_(self, histories: Histories) -> None:
        raise NotImplementedError

    @property
    def fresh(self) -> bool:
        """Whether `start_` should come before training."""
        return self._as_drawn is not None and self._as_drawn == self._sum()

    def _drawn(self) -> None:
        """Weights were drawn anew."""
        self._as_drawn = self._sum() if self.config and self.config["start"] == "spectral" else None

    def _sum(self) -> int | None:
        """Of all numbers, the same in float32 and float64."""
        found = 0
        for each in self.parameters():
            if each.is_meta:
                return None
            found = zlib.crc32(each.detach().cpu().float().contiguous().view(-1).view(torch.uint8).numpy().data, found)
        return found


def check_start(start: str) -> str:
    """The same name. Raises DataError where it is none of a start."""
    if start not in STARTS:
        raise DataError(f"start is one of {', '.join(STARTS)}, not {start!r}", start=start)
    return start


def check_users(histories: Histories, n_users: int) -> None:
    """Raise DataError where the histories are of another number of users."""
    if histories.n_users != n_users:
        raise DataError(
            f"the model has {n_users:,} users and the histories have {histories.n_users:,}; encode both alike",
            expected=n_users,
            found=histories.n_users,
        )


def spectral_rows(histories: Histories, drawn: Tensor) -> tuple[Tensor, Tensor]:
    """(n_users, dim) and (n_items, dim): N V and V, V the first right singular vectors of the normal graph N of users
    and items, on the scale of the mean length that the drawn item factors (n_items, dim) have, with a little of those.

    The spectral start of a factorisation: scores N V V' are those of the ideal low-pass (Shen et al. 2021, section
    4.2). Raises DataError where the histories are of another number of items.
    """
    check_items(histories, len(drawn))
    drawn = drawn.detach().cpu()
    graph, _ = normal_graph(histories)
    vectors = right_vectors(graph, drawn.shape[1])
    length = float(np.linalg.norm(vectors[1:], axis=1).mean()) if len(vectors) > 1 else 0.0
    scale = float(drawn[1:].norm(dim=1).mean()) / max(length, 1e-12)
    items = torch.from_numpy(vectors * np.float32(scale)).to(drawn.dtype) + NOISE * drawn
    users = torch.from_numpy((graph @ vectors) * np.float32(scale)).to(drawn.dtype)
    return users, items


def begin_(model: Any, split: Split) -> None:
    """Let a model that is `fresh` begin as its `start` says, before something is put around its weights; in place."""
    if isinstance(model, Start) and model.fresh:
        model.start_(split.train.histories())
