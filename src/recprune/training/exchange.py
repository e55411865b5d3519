"""exchange(): rows that go from each worker to each other one, by which tables in shards are read."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F

__all__ = ["counts_of", "exchange", "gather_rows", "look_up"]


def exchange(rows: Tensor, sent: list[int], got: list[int]) -> Tensor:
    """The rows that the others have for this worker, (sum(got), ...), in the order of the workers.

    rows: (sum(sent), ...), those for worker 0 first. sent, got: how many rows go to each, and come from each.
    """
    out = rows.new_empty((sum(got), *rows.shape[1:]))
    dist.all_to_all_single(out, rows.contiguous(), got, sent)
    return out


def counts_of(ids: Tensor, step: int, size: int) -> tuple[list[int], list[int]]:
    """How many of the ids, which ascend, each worker has the rows of, `step` a worker; and how many rows of this one
    each worker asks for."""
    sent = torch.bincount(ids // step, minlength=size)
    got = torch.empty_like(sent)
    dist.all_to_all_single(got, sent)
    return sent.tolist(), got.tolist()


def look_up(shard: Tensor, ids: Tensor, step: int, rank: int, size: int) -> tuple[Tensor, int]:
    """(ids, columns) rows of a table, `step` of which lie with each worker, and the bytes that this one sends to others
    for it: ids and rows now, and gradients when it is gone back. ids: (ids,), different ones, ascending."""
    sent, got = counts_of(ids, step, size)
    row = shard.shape[1] * shard.element_size()
    asks, gives = sum(sent) - sent[rank], sum(got) - got[rank]
    moved = 8 * size + asks * ids.element_size() + gives * row + (asks * row if torch.is_grad_enabled() else 0)
    found: Tensor = _Rows.apply(shard, ids, sent, got, step * rank)  # type: ignore[no-untyped-call]
    return found, moved


def gather_rows(shard: Tensor, step: int, rows: int, size: int) -> Tensor:
    """(rows, columns) the whole table, on every worker; its gradients go back to those who have the rows."""
    found: Tensor = _Whole.apply(shard, step, rows, size)  # type: ignore[no-untyped-call]
    return found


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, shard: Tensor, ids: Tensor, sent: list[int], got: list[int], begin: int) -> Tensor:
        asked = exchange(ids, sent, got) - begin
        ctx.save_for_backward(asked)
        ctx.ways, ctx.rows = (sent, got), len(shard)
        return exchange(shard[asked], got, sent)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        (asked,) = ctx.saved_tensors
        back = exchange(gradient, *ctx.ways)
        return back.new_zeros((ctx.rows, back.shape[1])).index_add_(0, asked, back), None, None, None, None


class _Whole(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, shard: Tensor, step: int, rows: int, size: int) -> Tensor:
        ctx.rows, ctx.step, ctx.size = len(shard), step, size
        out = shard.new_empty((step * size, shard.shape[1]))
        dist.all_gather_into_tensor(out, F.pad(shard, (0, 0, 0, step - len(shard))))
        return out[:rows]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        parts = [ctx.step] * ctx.size
        whole = F.pad(gradient, (0, 0, 0, ctx.step * ctx.size - len(gradient)))
        added = exchange(whole, parts, parts).view(ctx.size, ctx.step, -1).sum(0)
        return added[: ctx.rows], None, None, None
