"""The cross-entropy over all items, of what was had or what a teacher says, from factors, without keeping a score."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from recprune.kernels.softmax import softmax_rows

__all__ = ["Workspace", "products", "scores_of", "shares_of", "softmax_of_all", "taught_softmax_of_all"]


@dataclass(slots=True)
class Workspace:
    """Room for the scores of a batch, kept from step to step: to ask for it anew each time costs as much as filling it.

    half: whether factors are multiplied in bfloat16; sums stay float32.
    """

    half: bool = False
    _rooms: dict[torch.dtype, Tensor] = field(default_factory=dict)

    @classmethod
    def on(cls, place: torch.device) -> Workspace:
        """For factors there: in bfloat16 where there are instructions for that."""
        card = place.type == "cuda"
        return cls(torch.cuda.is_bf16_supported() if card else bool(torch.cpu._is_avx512_bf16_supported()))

    def room(self, rows: int, columns: int, like: Tensor) -> Tensor:
        """(rows, columns) of any content, where `like` is, of its dtype."""
        dtype = like.dtype
        have = self._rooms.get(dtype)
        if have is None or have.numel() < rows * columns or have.device != like.device:
            have = self._rooms[dtype] = torch.empty(rows * columns, dtype=dtype, device=like.device)
        return have[: rows * columns].view(rows, columns)

    def wide(self, scores: Tensor) -> Tensor:
        """Scores of bfloat16 in float32; others are as wide as they get."""
        if scores.dtype is not torch.bfloat16:
            return scores
        return self.room(len(scores), scores.shape[1], scores.new_empty(0, dtype=torch.float32)).copy_(scores)


def softmax_of_all(
    query: Tensor, items: Tensor, rows: Tensor, columns: Tensor, temperature: float, space: Workspace | None = None
) -> Tensor:
    """-mean over pairs of log softmax(query items^T / temperature)[rows, columns]. Liang et al. 2018, equation 2.

    query (batch, dim); items (n_items, dim), row 0 is the unknown item, which is no answer; rows and columns (pairs,)
    int64: which items are to be found for which query, each pair once. The gradients of both factors are made along
    with the loss, so that no scores are kept for them; there is no second derivative. 0 where there is no pair.
    """
    found: Tensor = _Softmax.apply(query, items, rows, columns, temperature, space or Workspace())  # type: ignore[no-untyped-call]
    return found


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, items: Tensor, rows: Tensor, columns: Tensor, temperature: float, space: Workspace
    ) -> Tensor:
        scores = scores_of(query, items, space)
        wanted = scores[rows, columns].to(query.dtype) / temperature
        pairs, count = torch.bincount(rows, minlength=len(query)).to(query.dtype), max(len(rows), 1)
        logs = shares_of(scores, 1 / temperature, pairs, space)
        loss = ((logs * pairs).sum() - wanted.sum()) / count
        scores[rows, columns] -= 1.0
        ctx.save_for_backward(*products(scores, query, items, space, 1 / (temperature * count)))
        return loss

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        of_query, of_items = ctx.saved_tensors
        return of_query * gradient, of_items * gradient, None, None, None, None


def taught_softmax_of_all(
    query: Tensor,
    items: Tensor,
    answers: Tensor,
    taught: tuple[Tensor, Tensor],
    share: float,
    temperature: float,
    spaces: tuple[Workspace, Workspace, Workspace],
) -> Tensor:
    """Mean over queries of (1 - share) times the cross-entropy of the answers and share times that against a teacher's
    softmax, where the scores of both are divided by the temperature, times the square of it (Hinton et al. 2015,
    section 2).

    query (batch, dim), items (n_items, dim), answers (batch,) int64; taught: the teacher's query and items, of another
    dim perhaps, and no gradient. Otherwise as `softmax_of_all`; spaces: rooms for scores, for the teacher's, and for
    those that are divided.
    """
    found: Tensor = _Taught.apply(query, items, answers, taught, share, temperature, spaces)  # type: ignore[no-untyped-call]
    return found


class _Taught(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        items: Tensor,
        answers: Tensor,
        taught: tuple[Tensor, Tensor],
        share: float,
        temperature: float,
        spaces: tuple[Workspace, Workspace, Workspace],
    ) -> Tensor:
        rows, each = torch.arange(len(query), device=query.device), torch.ones_like(query[:, 0])
        scores, soft = scores_of(query, items, spaces[0]), scores_of(*taught, spaces[1])
        soft[:, 0] = scores[:, 0] = 0.0
        wanted = scores[rows, answers].to(query.dtype)
        weight = share * temperature
        shares_of(soft, 1 / temperature, weight * each, spaces[1])
        both = torch.linalg.vecdot(scores, soft).to(query.dtype)
        if temperature == 1:
            logs = cooler = shares_of(scores, 1.0, each, spaces[0])
        else:
            tempered = spaces[2].room(len(query), len(items), scores).copy_(scores)
            cooler = shares_of(tempered, 1 / temperature, weight * each, spaces[2])
            logs = shares_of(scores, 1.0, (1 - share) * each, spaces[0])
            scores += tempered
        loss: Tensor = ((1 - share) * (logs - wanted) + weight * temperature * cooler - both).sum() / max(len(query), 1)
        scores -= soft
        scores[rows, answers] -= 1 - share
        ctx.save_for_backward(*products(scores, query, items, spaces[0], 1 / max(len(query), 1)))
        return loss

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        of_query, of_items = ctx.saved_tensors
        return of_query * gradient, of_items * gradient, None, None, None, None, None


def scores_of(query: Tensor, items: Tensor, space: Workspace) -> Tensor:
    """(batch, n_items), in bfloat16 where that is asked for."""
    if space.half:
        query, items = query.bfloat16(), items.bfloat16()
    return torch.mm(query, items.T, out=space.room(len(query), len(items), query))


def shares_of(
    scores: Tensor, scale: float, weights: Tensor, space: Workspace, shift: Tensor | None = None, out: int = 1
) -> Tensor:
    """As `softmax_rows`, which does it where it can; else torch does."""
    logs = softmax_rows(scores, scale, weights, shift=shift, out=out)
    if logs is not None:
        return logs
    wide = space.wide(scores).mul_(scale)
    if shift is not None:
        wide.add_(shift)
    wide[:, :out] = -torch.inf
    logs = torch.logsumexp(wide, 1)
    wide.sub_(torch.where(logs.isneginf(), 0.0, logs)[:, None]).exp_().mul_(weights[:, None])
    scores.copy_(wide)
    return logs


def products(scores: Tensor, query: Tensor, items: Tensor, space: Workspace, scale: float) -> tuple[Tensor, Tensor]:
    """The gradients of query and items, from that of the scores."""
    if not space.half:
        return torch.mm(scores, items).mul_(scale), torch.mm(scores.T, query).mul_(scale)
    left, right = torch.mm(scores, items.bfloat16()), torch.mm(scores.T, query.bfloat16())
    return left.to(query.dtype).mul_(scale), right.to(items.dtype).mul_(scale)
