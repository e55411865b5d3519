"""softmax_of_shards(): the cross-entropy over all rows of a table in shards, each worker scoring its own rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from recprune.training.exchange import exchange
from recprune.training.sharded import ShardedEmbedding

__all__ = ["softmax_of_shards"]

BLOCK = 2**25
"""Scores that are held at once (128 MB)."""


def softmax_of_shards(
    query: Tensor, target: Tensor, table: ShardedEmbedding, bias: Tensor | None = None, *, unknown: bool = True
) -> Tensor:
    """(n,) -log softmax(query rows^T + bias)[target], as if one had all rows of the table; all workers call it at once.

    query (n, dim), target (n,) of this worker, which may have another n than the others. bias: (rows,), whole on every
    worker. unknown: whether row 0 is a rival. Queries go to everybody, (N - 1) n (4 dim + 8) bytes; each worker scores
    the rows that it has, in blocks of which none is kept; maxima and sums of exponentials are reduced, so that
    log sum exp is that of all rows; back come the gradients of the queries. No row leaves its worker.
    """
    begin, end = table.ranges[table.workers.rank]
    beside = query.new_zeros(end - begin) if bias is None else bias[begin:end]
    lost: Tensor = _Softmax.apply(query, table.own, beside, target, table, unknown)  # type: ignore[no-untyped-call]
    return lost


class _Everybody:
    """Rows of every worker, one worker's behind the other's. moved: bytes that this one has sent."""

    def __init__(self, rows: int, workers: Any, like: Tensor) -> None:
        found = [torch.zeros((), dtype=torch.int64, device=like.device) for _ in range(workers.size)]
        dist.all_gather(found, torch.tensor(rows, device=like.device))
        self.counts, self.rank, self.size = [int(one) for one in found], workers.rank, workers.size
        self.moved = 8 * (workers.size - 1)

    def has(self, mine: Tensor) -> Tensor:
        """(all rows, ...), on every worker."""
        self.moved += mine.numel() * mine.element_size() * (self.size - 1)
        return exchange(torch.cat([mine] * self.size), [len(mine)] * self.size, self.counts)

    def added(self, theirs: Tensor) -> Tensor:
        """Those of this worker, of rows that every worker has a part of."""
        self.moved += (len(theirs) - self.counts[self.rank]) * theirs[:1].numel() * theirs.element_size()
        back = exchange(theirs, self.counts, [self.counts[self.rank]] * self.size)
        return back.view(self.size, self.counts[self.rank], *theirs.shape[1:]).sum(0)

    def reduced(self, values: Tensor, how: Any = dist.ReduceOp.SUM) -> Tensor:
        """The sum over all workers, or what else."""
        dist.all_reduce(values, how)
        self.moved += values.numel() * values.element_size()
        return values


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, own: Tensor, bias: Tensor, target: Tensor, table: ShardedEmbedding, unknown: bool
    ) -> Tensor:
        every = _Everybody(len(query), table.workers, query)
        queries, targets = every.has(query), every.has(target)
        begin, end = table.ranges[every.rank]
        here = ((targets >= begin) & (targets < end)).nonzero().flatten()
        places, masked = targets[here] - begin, not unknown and begin == 0
        most, total = _tallied(queries, own, bias, masked)
        top = every.reduced(most.clone(), dist.ReduceOp.MAX)
        log_sum = every.reduced(total * torch.exp(most - top)).log_() + top
        wanted = queries.new_zeros(len(queries))
        wanted[here] = (queries[here] * own[places]).sum(1) + bias[places]
        ctx.save_for_backward(queries, own, bias, places, here, log_sum)
        ctx.every, ctx.masked, ctx.table = every, masked, table
        lost = log_sum - every.reduced(wanted)
        table.workers.moved += every.moved
        first = sum(every.counts[: every.rank])
        return lost[first : first + len(query)].clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        queries, own, bias, places, here, log_sum = ctx.saved_tensors
        every, before = ctx.every, ctx.every.moved
        weights = every.has(gradient.contiguous())
        of_queries, of_own, of_bias = (torch.zeros_like(one) for one in (queries, own, bias))
        for begin, rows, scores in _blocks(queries, own, bias, ctx.masked):
            shares = scores.sub_(log_sum[:, None]).exp_().mul_(weights[:, None])
            of_queries.addmm_(shares, rows)
            of_own[begin : begin + len(rows)] = shares.T @ queries
            of_bias[begin : begin + len(rows)] = shares.sum(0)
        found = weights[here]
        of_queries[here] -= found[:, None] * own[places]
        of_own.index_add_(0, places, -found[:, None] * queries[here])
        of_bias.index_add_(0, places, -found)
        mine = every.added(of_queries)
        ctx.table.workers.moved += every.moved - before
        return mine, of_own, of_bias, None, None, None


def _tallied(queries: Tensor, own: Tensor, bias: Tensor, masked: bool) -> tuple[Tensor, Tensor]:
    """The largest score of every query among the own rows, and the sum of exp(score - largest); each (queries,)."""
    lowest = torch.finfo(queries.dtype).min
    most, total = queries.new_full((len(queries),), lowest), queries.new_zeros(len(queries))
    for _, _, scores in _blocks(queries, own, bias, masked):
        larger = torch.maximum(most, scores.amax(1))
        total = total * torch.exp(most - larger) + scores.sub_(larger[:, None]).exp_().sum(1)
        most = larger
    return most, total


def _blocks(queries: Tensor, own: Tensor, bias: Tensor, masked: bool) -> Iterator[tuple[int, Tensor, Tensor]]:
    """First row, some rows, and (queries, rows) their scores; of row 0, where it is masked, next to nothing."""
    step = max(1, BLOCK // max(1, len(queries)))
    for begin in range(0, len(own), step):
        rows = own[begin : begin + step]
        scores = torch.addmm(bias[begin : begin + step], queries, rows.T)
        if masked and not begin:
            scores[:, 0] = torch.finfo(scores.dtype).min
        yield begin, rows, scores
