"""Samples of the constraint loss: what endless layers of a graph would converge to. Mao et al. 2021, "UltraGCN"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from recprune.data.dataset import Dataset, Histories
from recprune.evaluation.inputs import device_of
from recprune.models._item_item import largest_of_rows, without_own
from recprune.training.draw import forgotten, sampler
from recprune.training.options import FitOptions
from recprune.training.samples import Samples, checksum

__all__ = ["Neighbours", "constraint_samples", "neighbours_of", "pair_weights"]

ROWS = 2048
"""Items whose neighbours are found at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """items (n_items, k) int64, 0 where an item has fewer; weights (n_items, k) float32, 0 there."""

    items: Tensor
    weights: Tensor

    def to(self, place: torch.device) -> Neighbours:
        """The same, there."""
        return Neighbours(self.items.to(place), self.weights.to(place))


def constraint_samples(model: Any, data: Dataset, options: FitOptions) -> Samples:
    """One sample a pair that was had: a weighed bce of the pair, of `options.negatives` items drawn for the batch, and
    of the neighbours of the item (Mao et al. 2021, equations 9, 11, 15 and 16).

    Weights are those of `model.constraints()`. The negatives of a pair count `negative` together, however many are
    drawn; an item that is drawn counts as one whoever had it, as in the paper.
    """
    histories, say = data.histories().once(), model.constraints()
    users = torch.from_numpy(np.repeat(np.arange(histories.n_users), histories.counts()))
    items = torch.from_numpy(histories.items.astype(np.int64))
    sum_of, where = checksum([users, items]), device_of(model)
    users, items = users.to(where), items.to(where)
    of_users, of_items = (weights.to(where) for weights in pair_weights(histories))
    near = neighbours_of(histories, int(say["neighbours"])).to(where) if say["item_item"] else None
    _, draw = sampler(histories, options.popularity, where)

    def of(rows: Tensor, generator: torch.Generator) -> Tensor:
        user, item, drawn = users[rows], items[rows], draw((options.negatives,), generator)
        query, much = model.query(forgotten(user, options.unknown, generator)), of_users[user].unsqueeze(1)
        had = F.softplus(-model.match(query, item[:, None])) * (say["constant"] + much * of_items[item, None])
        others = F.softplus(model.match(query, drawn)) * (say["constant"] + much * of_items[drawn])
        loss: Tensor = had.mean() + say["negative"] * others.mean()
        if near is None:
            return loss
        drawn_to: Tensor = F.softplus(-model.match(query, near.items[item])) * near.weights[item]
        loss = loss + say["item_item"] * drawn_to.sum(1).mean()
        return loss

    return Samples(len(items), of, sum_of)


def pair_weights(histories: Histories) -> tuple[Tensor, Tensor]:
    """b_u = sqrt(n_u + 1) / n_u of users and b_i = 1 / sqrt(n_i + 1) of items; a pair weighs b_u b_i (equation 7)."""
    counts = histories.counts().astype(np.float64)
    users = np.sqrt(counts + 1) / np.maximum(counts, 1)
    items = (np.bincount(histories.items, minlength=histories.n_items) + 1.0) ** -0.5
    return torch.from_numpy(users).float(), torch.from_numpy(items).float()


def neighbours_of(histories: Histories, k: int) -> Neighbours:
    """The k items j with the largest w_ij = G_ij / (g_i - G_ii) sqrt(g_i / g_j), G the users of both, g its sums over
    a row (equation 13), by their number; of equal ones the first."""
    matrix = histories.matrix(unknown=False)
    columns, sums = matrix.T.tocsr(), matrix.T @ np.asarray(matrix.sum(1)).ravel()
    own = np.asarray(matrix.sum(0)).ravel()
    items, weights = (np.zeros((histories.n_items, k), dtype) for dtype in (np.int64, np.float32))
    for begin in range(0, histories.n_items, ROWS):
        both = without_own(columns[begin : begin + ROWS] @ matrix, begin).tocoo()
        here = both.row + begin
        both.data = both.data / np.maximum(sums - own, 1)[here] * np.sqrt(sums[here] / sums[both.col])
        block = largest_of_rows(both.tocsr(), k)
        rows = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
        places = (rows + begin, np.arange(len(rows)) - np.repeat(block.indptr[:-1], np.diff(block.indptr)))
        items[places], weights[places] = block.indices, block.data
    return Neighbours(torch.from_numpy(items), torch.from_numpy(weights))
