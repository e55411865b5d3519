"""softmax_of_some(): the cross-entropy over an answer and drawn items, from factors, without keeping a score."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from recprune.training.softmax_of_all import Workspace, products, scores_of, shares_of

__all__ = ["softmax_of_some"]


def softmax_of_some(
    query: Tensor,
    answers: Tensor,
    items: Tensor,
    log_q: Tensor,
    codes: tuple[Tensor, Tensor],
    space: Workspace | None = None,
) -> Tensor:
    """`losses.sampled_softmax` of queries, each with an answer of its own and all with the same m drawn items.

    query and answers (batch, dim); items (m, dim), as they were drawn, with repetition; log_q (m,): log of the
    probability to draw each. codes: of the answers (batch,) and of the drawn items (m,): one that is the answer itself
    does not count. The gradients of all factors are made along with the loss; there is no second derivative.
    """
    shift = -log_q - math.log(len(log_q))
    space = space or Workspace()
    found: Tensor = _Sampled.apply(query, answers, items, shift, codes, space)  # type: ignore[no-untyped-call]
    return found


class _Sampled(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        answers: Tensor,
        items: Tensor,
        shift: Tensor,
        codes: tuple[Tensor, Tensor],
        space: Workspace,
    ) -> Tensor:
        positive = (query * answers).sum(1)
        scores = scores_of(query, items, space)
        scores[same(*codes)] = -torch.inf
        rest = shares_of(scores, 1.0, torch.ones_like(positive), space, shift, out=0).to(query.dtype)
        logs = torch.logaddexp(positive, rest)
        mine, theirs = (positive - logs).exp_().sub_(1.0), (rest - logs).exp_()
        n = max(len(query), 1)
        of_query, of_items = products(scores, query * theirs[:, None], items, space, 1 / n)
        of_query = of_query * theirs[:, None] + answers * (mine / n)[:, None]
        ctx.save_for_backward(of_query, query * (mine / n)[:, None], of_items)
        loss: Tensor = (logs - positive).sum() / n
        return loss

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return *(part * gradient for part in ctx.saved_tensors), None, None, None


def same(wanted: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns of all pairs of equal codes of `wanted` (rows,) and `drawn` (columns,)."""
    ordered, places = drawn.sort()
    first, end = (torch.searchsorted(ordered, wanted, right=right) for right in (False, True))
    number = end - first
    rows = torch.repeat_interleave(torch.arange(len(wanted), device=wanted.device), number)
    within = torch.arange(len(rows), device=wanted.device) - torch.repeat_interleave(number.cumsum(0) - number, number)
    return rows, places[first[rows] + within]
