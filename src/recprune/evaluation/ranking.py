"""Lists of recommended items and how good they are: every metric of every user at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from recprune.data.dataset import Histories
from recprune.errors import DataError
from recprune.evaluation.inputs import Renumber, device_of, renumbered, user_inputs
from recprune.evaluation.topk import top_k

__all__ = [
    "METRICS",
    "Lists",
    "average_precision",
    "f1",
    "hit",
    "lists",
    "ndcg",
    "precision",
    "rank",
    "recall",
    "reciprocal_rank",
]

BLOCK = 16_000_000  # scores held at once: 64 MB in float32

Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Lists:
    """What a model recommends.

    top: (users, k) codes of the items, best first. offered: (n_items,) which items it could recommend to one of these
    users: those that it scores above -inf, before what a user has seen is taken away; neither the unknown item nor
    items that left the model are among them.
    """

    top: NDArray[np.int64]
    offered: Flags


def rank(
    model: nn.Module,
    histories: Histories,
    users: NDArray[np.integer],
    k: int,
    *,
    batch: int = 1024,
    mask_seen: bool = True,
    renumber: Renumber | None = None,
) -> NDArray[np.int64]:
    """(len(users), k) the codes of the k items that a model recommends to each user, best first: `lists(...).top`."""
    return lists(model, histories, users, k, batch=batch, mask_seen=mask_seen, renumber=renumber).top


@torch.inference_mode()
def lists(
    model: nn.Module,
    histories: Histories,
    users: NDArray[np.integer],
    k: int,
    *,
    batch: int = 1024,
    mask_seen: bool = True,
    renumber: Renumber | None = None,
) -> Lists:
    """The k items that a model recommends to each user, and which items it could recommend at all.

    The unknown item 0 is never recommended, items of the histories only where mask_seen is False; 0 stands where fewer
    than k are left. Equal scores by item number. With `renumber`, for a model that some ids have left, histories and
    users are in the old codes, and so is what comes back. At most `batch` users, and 64 MB of scores, are held at once.
    Raises DataError where the model scores another number of items, or gives NaN.
    """
    mine = renumbered(histories, renumber)
    step = max(1, min(batch, BLOCK // mine.n_items))
    was_training = model.training
    model.eval()
    try:
        blocks = [
            _block(model, mine, users[begin : begin + step], k, mask_seen, renumber)
            for begin in range(0, len(users), step)
        ]
    finally:
        model.train(was_training)
    top = np.concatenate([top for top, _ in blocks]) if blocks else np.zeros((0, k), dtype=np.int64)
    offered = np.logical_or.reduce([some for _, some in blocks]) if blocks else np.zeros(mine.n_items, dtype=bool)
    return Lists(_old_codes(top, renumber), _of_old_codes(offered, renumber))


def _block(
    model: nn.Module,
    histories: Histories,
    users: NDArray[np.integer],
    k: int,
    mask_seen: bool,
    renumber: Renumber | None,
) -> tuple[NDArray[np.int64], Flags]:
    """The lists of some users, and which items the model could recommend to one of them, in the model's codes."""
    only_users = None if renumber is None or "user" not in renumber else {"user": renumber["user"]}
    said = model(*user_inputs(model, histories, users, renumber=only_users))
    scores = torch.empty(said.shape, dtype=torch.float32, device=said.device).copy_(said)  # not the model's own
    if scores.shape != (len(users), histories.n_items):
        raise DataError(
            f"expected scores of shape {(len(users), histories.n_items)}, one an item and row 0 for the unknown one; "
            f"{type(model).__name__} gives {tuple(scores.shape)}. Was it made for another vocabulary?",
            shape=tuple(scores.shape),
        )
    scores[:, 0] = -torch.inf
    offered: Flags = (scores.amax(0) > -torch.inf).cpu().numpy()
    if mask_seen:
        rows, items = histories.pairs(users)
        where = device_of(model)
        scores[torch.from_numpy(rows).to(where), torch.from_numpy(items.astype(np.int64)).to(where)] = -torch.inf
    return top_k(scores, k).cpu().numpy(), offered


def _old_codes(top: NDArray[np.int64], renumber: Renumber | None) -> NDArray[np.int64]:
    if renumber is None or "item" not in renumber:
        return top
    new = renumber["item"]
    old = np.zeros(int(new.max()) + 1, dtype=np.int64)
    stays = np.flatnonzero(new)
    old[new[stays]] = stays
    return old[top]


def _of_old_codes(flags: Flags, renumber: Renumber | None) -> Flags:
    """(old items,) flags of (new items,)."""
    return flags if renumber is None or "item" not in renumber else flags[renumber["item"]]


def precision(hits: Flags, counts: Counts) -> Numbers:
    """(users,) precision@k; hits (users, k): which listed items are test items; counts (users,) of test items."""
    out: Numbers = hits.sum(1) / hits.shape[1]
    return out


def recall(hits: Flags, counts: Counts) -> Numbers:
    """(users,) recall@k; arguments as for `precision`."""
    out: Numbers = hits.sum(1) / counts
    return out


def f1(hits: Flags, counts: Counts) -> Numbers:
    """(users,) F1@k: 2 hits / (k + test items), which equals the harmonic mean of precision and recall."""
    out: Numbers = 2 * hits.sum(1) / (hits.shape[1] + counts)
    return out


def hit(hits: Flags, counts: Counts) -> Numbers:
    """(users,) 1 with a hit, else 0."""
    out: Numbers = np.asarray(hits.any(1), dtype=np.float64)
    return out


def ndcg(hits: Flags, counts: Counts) -> Numbers:
    """(users,) NDCG@k with binary gains and an ideal list of min(k, test items). Järvelin and Kekäläinen 2002, 3.2."""
    gains = 1 / np.log2(np.arange(2, hits.shape[1] + 2))
    ideal = np.cumsum(gains)[np.minimum(counts, hits.shape[1]) - 1]
    out: Numbers = (hits * gains).sum(1) / ideal
    return out


def reciprocal_rank(hits: Flags, counts: Counts) -> Numbers:
    """(users,) 1 / place of the first hit, 0 without one."""
    out: Numbers = hits.any(1) / (hits.argmax(1) + 1)
    return out


def average_precision(hits: Flags, counts: Counts) -> Numbers:
    """(users,) average precision@k, divided by min(k, test items), so that an ideal list has 1."""
    places = np.arange(1, hits.shape[1] + 1)
    out: Numbers = (hits * np.cumsum(hits, axis=1) / places).sum(1) / np.minimum(counts, hits.shape[1])
    return out


METRICS: dict[str, Callable[[Flags, Counts], Numbers]] = {
    "precision": precision,
    "recall": recall,
    "f1": f1,
    "ndcg": ndcg,
    "mrr": reciprocal_rank,
    "map": average_precision,
    "hit": hit,
}
