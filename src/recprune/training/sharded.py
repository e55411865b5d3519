"""shard(): tables too large for one worker, their rows with all of them, trained as if each had the whole table."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from recprune.errors import TrainingError
from recprune.models._start import Start
from recprune.training.exchange import gather_rows, look_up

if TYPE_CHECKING:
    from recprune.training.together import Alone

__all__ = ["ShardedEmbedding", "gathered", "shard", "shards_of"]

BLOCK = 1 << 14
"""Rows that are drawn, or sent, at a time."""


class ShardedEmbedding(nn.Module):
    """Rows rank * step to (rank + 1) * step of a table of `num_embeddings` rows, in the place of an nn.Embedding.

    forward: codes of any shape -> their rows, wherever they lie; each worker asks for its own codes. All workers call
    it as often and in the same order, and go back as often: ids go to those who have the rows, rows come back, and
    gradients go out again. `weight` is the whole table, made on every worker each time it is read, with gradients: a
    loss over all rows needs it, one over some of them does not. The parameter behind it, named weight in the state,
    holds the own rows alone. Raises IndexError for a code that the table has not.
    """

    def __init__(self, own: Tensor, num_embeddings: int, workers: Any, padding_idx: int | None = None) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, own.shape[1], padding_idx
        self.workers, self.step = workers, step_of(num_embeddings, workers.size)
        self._parameters["weight"] = nn.Parameter(own)

    @property
    def own(self) -> nn.Parameter:
        """The rows of this worker."""
        found = self._parameters["weight"]
        assert isinstance(found, nn.Parameter)
        return found

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """First row and end, worker by worker."""
        return [range_of(self.num_embeddings, self.step, rank) for rank in range(self.workers.size)]

    @property
    def weight(self) -> Tensor:
        """(num_embeddings, embedding_dim), gathered."""
        others = (self.num_embeddings - len(self.own)) * self.embedding_dim * self.own.element_size()
        sent = self.own.numel() * self.own.element_size() * (self.workers.size - 1)
        self.workers.moved += sent + (others if torch.is_grad_enabled() else 0)
        return gather_rows(self.own, self.step, self.num_embeddings, self.workers.size)

    def forward(self, codes: Tensor) -> Tensor:
        ids, places = torch.unique(codes.reshape(-1).long(), return_inverse=True)
        if len(ids) and not 0 <= int(ids[0]) <= int(ids[-1]) < self.num_embeddings:
            raise IndexError(f"codes {int(ids[0])} to {int(ids[-1])} of a table of {self.num_embeddings:,} rows")
        rows, moved = look_up(self.own, ids, self.step, self.workers.rank, self.workers.size)
        self.workers.moved += moved
        padding = (ids == self.padding_idx).nonzero().flatten().tolist() if self.padding_idx is not None else []
        found: Tensor = F.embedding(places.view(codes.shape), rows, padding[0] if padding else None)
        return found

    def extra_repr(self) -> str:
        """As nn.Embedding says it, and which rows are here."""
        begin, end = self.ranges[self.workers.rank]
        return f"{self.num_embeddings}, {self.embedding_dim}, rows {begin} to {end}"


def step_of(rows: int, size: int) -> int:
    """Rows of every worker but the last ones."""
    return -(-rows // size)


def range_of(rows: int, step: int, rank: int) -> tuple[int, int]:
    """Where the rows of a worker begin and end."""
    return min(step * rank, rows), min(step * (rank + 1), rows)


def shard(
    model: nn.Module, workers: Alone, *, over: int = 1 << 30, std: float | None = None, seed: int = 0
) -> tuple[str, ...]:
    """Part every nn.Embedding of more than `over` bytes among the workers, by rows and in place: their names.

    One worker alone keeps them whole. A table on the meta device (`recprune.tracing.weightless`) was never whole
    anywhere: its rows are drawn here, normal with the deviation `std`, the same for any number of workers. Then `fit`
    with the same workers trains the model, and `gathered` makes its tables whole again.
    Raises TrainingError for tables that cannot be parted: shared by two modules, learning through a graph, or waiting
    for a start that needs them whole (`recprune.models._start.begin_`).
    """
    tables = {
        name: module
        for name, module in model.named_modules()
        if type(module) is nn.Embedding and module.weight.numel() * module.weight.element_size() > over
    }
    _check(model, tables if workers.size > 1 else {})
    for name, table in tables.items():
        begin, end = range_of(len(table.weight), step_of(len(table.weight), workers.size), workers.rank)
        own = _drawn(name, table, begin, end, std, seed) if table.weight.is_meta else table.weight.detach()[begin:end]
        if workers.size > 1:
            made = ShardedEmbedding(own.clone(), table.num_embeddings, workers, table.padding_idx)
            _put(model, name, made.train(table.training))
        elif table.weight.is_meta:
            table.weight = nn.Parameter(own)
    left = [name for name, parameter in model.named_parameters() if parameter.is_meta]
    if left:
        raise TrainingError(f"{left[0]} has no numbers, and is no table of more than {over:,} bytes", tensors=left)
    return tuple(tables)


def gathered(model: nn.Module, workers: Alone) -> None:
    """Make tables in shards whole again, in place, on the first worker; the others keep their rows."""
    for name, table in shards_of(model).items():
        own, dim = table.own.detach(), table.embedding_dim
        if workers.rank:
            for part in torch.split(own, BLOCK):
                dist.send(part.contiguous(), 0)
            continue
        whole = own.new_empty((table.num_embeddings, dim))
        for rank, (begin, end) in enumerate(table.ranges):
            if not rank:
                whole[begin:end] = own
                continue
            for part in torch.split(whole[begin:end], BLOCK):
                dist.recv(part, rank)
        made = nn.Embedding(table.num_embeddings, dim, table.padding_idx, _weight=whole)
        _put(model, name, made.train(table.training))


def shards_of(model: nn.Module) -> dict[str, ShardedEmbedding]:
    """The tables of a model that lie in shards, by their names."""
    return {name: module for name, module in model.named_modules() if isinstance(module, ShardedEmbedding)}


def _check(model: nn.Module, tables: dict[str, nn.Embedding]) -> None:
    names = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    held = [id(parameter) for _, parameter in model.named_parameters(remove_duplicate=False)]
    graph = any(any(how) for how in getattr(model, "smoothing", dict)().values()) or hasattr(model, "propagation")
    for name, table in tables.items():
        why = ""
        if held.count(id(table.weight)) != 1 or f"{name}.weight" not in names:
            why = "its weight is that of another module too, or is computed"
        elif table.max_norm is not None or table.scale_grad_by_freq or table.sparse:
            why = "it has max_norm, scale_grad_by_freq or sparse"
        elif graph:
            why = "the tables of this model learn through the graph of users and items, which needs them whole"
        elif isinstance(model, Start) and model.fresh:
            why = "the model begins with singular vectors: let it begin first, or make it with start='random'"
        if why:
            raise TrainingError(f"{name} cannot be parted among workers: {why}", module=name)


def _drawn(name: str, table: nn.Embedding, begin: int, end: int, std: float | None, seed: int) -> Tensor:
    """Rows begin to end of a table without numbers, block by block, each from a seed of its own."""
    if std is None:
        raise TrainingError(f"{name} has no numbers: say std, the deviation by which they are drawn", module=name)
    own = torch.empty((end - begin, table.embedding_dim), dtype=table.weight.dtype)
    for block in range(begin // BLOCK, -(-end // BLOCK)):
        generator = torch.Generator().manual_seed(zlib.crc32(f"{seed} {name} {block}".encode()))
        rows = torch.randn((BLOCK, table.embedding_dim), generator=generator) * std
        first, last = max(begin, block * BLOCK), min(end, (block + 1) * BLOCK)
        own[first - begin : last - begin] = rows[first - block * BLOCK : last - block * BLOCK]
    if table.padding_idx is not None and begin <= table.padding_idx < end:
        own[table.padding_idx - begin] = 0.0
    return own


def _put(model: nn.Module, name: str, module: nn.Module) -> None:
    owner, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(owner), attribute, module)
