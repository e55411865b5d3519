"""The cross-entropy over an answer and drawn items, of what was had or what a teacher says, from factors, without
keeping a score."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from recprune.training.softmax_of_all import Workspace, products, scores_of, shares_of

__all__ = ["softmax_of_some", "taught_softmax_of_some"]

Factors = tuple[Tensor, Tensor, Tensor]
"""Queries (batch, dim), the answer of each (batch, dim), and drawn items (m, dim)."""


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
    space = space or Workspace()
    found: Tensor = _Sampled.apply(query, answers, items, _shift(log_q), codes, space)  # type: ignore[no-untyped-call]
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
        found = _Split.of(positive, scores, 1.0, shift, space)
        mine, theirs = found.mine - 1, found.rest
        n = max(len(query), 1)
        of_query, of_items = products(scores, query * theirs[:, None], items, space, 1 / n)
        of_query = of_query * theirs[:, None] + answers * (mine / n)[:, None]
        ctx.save_for_backward(of_query, query * (mine / n)[:, None], of_items)
        loss: Tensor = (found.logs - positive).sum() / n
        return loss

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return *(part * gradient for part in ctx.saved_tensors), None, None, None


def taught_softmax_of_some(
    mine: Factors,
    taught: Factors,
    log_q: Tensor,
    codes: tuple[Tensor, Tensor],
    share: float,
    temperature: float,
    spaces: tuple[Workspace, Workspace, Workspace],
) -> Tensor:
    """Mean over queries of (1 - share) times `losses.sampled_softmax` and share times `soft_losses.sampled_softmax`
    against a teacher, both over the answer of a query and the same m drawn items.

    mine: query and answers (batch, dim), items (m, dim), as they were drawn. taught: the teacher's, of another dim
    perhaps, and no gradient. Otherwise as `softmax_of_some`; spaces: rooms for scores, for the teacher's, and for those
    that are divided by a temperature other than 1.
    """
    given = taught, _shift(log_q), codes, share, temperature, spaces
    found: Tensor = _Taught.apply(*mine, *given)  # type: ignore[no-untyped-call]
    return found


class _Taught(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        answers: Tensor,
        items: Tensor,
        taught: Factors,
        shift: Tensor,
        codes: tuple[Tensor, Tensor],
        share: float,
        temperature: float,
        spaces: tuple[Workspace, Workspace, Workspace],
    ) -> Tensor:
        gone, n, weight = same(*codes), max(len(query), 1), share * temperature
        positive, theirs = ((q * a).sum(1) for q, a in ((query, answers), taught[:2]))
        scores, soft = scores_of(query, items, spaces[0]), scores_of(taught[0], taught[2], spaces[1])
        soft[gone] = -torch.inf
        said = _Split.of(theirs, soft, 1 / temperature, shift, spaces[1])
        near = torch.linalg.vecdot(scores, soft) / temperature + soft @ shift.to(soft.dtype)
        both = near.to(query.dtype) * said.rest + positive / temperature * said.mine
        scores[gone] = -torch.inf
        if temperature == 1:
            hard = cool = _Split.of(positive, scores, 1.0, shift, spaces[0])
            _scaled(scores, hard.rest)
        else:
            tempered = spaces[2].room(len(query), len(items), scores).copy_(scores)
            cool = _Split.of(positive, tempered, 1 / temperature, shift, spaces[2])
            hard = _Split.of(positive, scores, 1.0, shift, spaces[0])
            _scaled(scores, (1 - share) * hard.rest).add_(_scaled(tempered, weight * cool.rest))
        scores.sub_(_scaled(soft, weight * said.rest))
        of_answer = (((1 - share) * (hard.mine - 1) + weight * (cool.mine - said.mine)) / n)[:, None]
        of_query, of_items = products(scores, query, items, spaces[0], 1 / n)
        ctx.save_for_backward(of_query + answers * of_answer, query * of_answer, of_items)
        loss: Tensor = ((1 - share) * (hard.logs - positive) + weight * temperature * (cool.logs - both)).sum() / n
        return loss

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return *(part * gradient for part in ctx.saved_tensors), *(None,) * 6


class _Split(NamedTuple):
    """Of an answer and drawn items: log sum exp (batch,), and the shares of the answer and of all that was drawn."""

    logs: Tensor
    mine: Tensor
    rest: Tensor

    @classmethod
    def of(cls, positive: Tensor, scores: Tensor, scale: float, shift: Tensor, space: Workspace) -> _Split:
        """positive (batch,); the scores (batch, m) become shares of what was drawn alone. All are multiplied first."""
        rest = shares_of(scores, scale, torch.ones_like(positive), space, shift, out=0).to(positive.dtype)
        logs = torch.logaddexp(positive * scale, rest)
        return cls(logs, (positive * scale - logs).exp(), (rest - logs).exp())


def _scaled(scores: Tensor, rows: Tensor) -> Tensor:
    """The scores, each row times a number, in place."""
    return scores.mul_(rows[:, None].to(scores.dtype))


def _shift(log_q: Tensor) -> Tensor:
    """What the score of each of m drawn items is corrected by."""
    return -log_q - math.log(len(log_q))


def same(wanted: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns of all pairs of equal codes of `wanted` (rows,) and `drawn` (columns,)."""
    ordered, places = drawn.sort()
    first, end = (torch.searchsorted(ordered, wanted, right=right) for right in (False, True))
    number = end - first
    rows = torch.repeat_interleave(torch.arange(len(wanted), device=wanted.device), number)
    within = torch.arange(len(rows), device=wanted.device) - torch.repeat_interleave(number.cumsum(0) - number, number)
    return rows, places[first[rows] + within]
