"""Workers that train one model together: each has a share of every batch, and gradients are added up.

With N workers a batch of B rows is N shares of B / N; what is made small is the mean over all of them, so that N
workers learn what one does, up to the order in which floats are added. Numbers that are drawn for a batch (negatives,
codes that are hidden) are drawn by every worker for all of it, and each takes its own. Masks of dropout are the
exception: each worker draws those of its rows, by the seed, the epoch and its number.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from recprune.errors import TrainingError
from recprune.training.across import across
from recprune.training.draw import Drawing
from recprune.training.samples import Samples
from recprune.training.sharded import ShardedEmbedding, shards_of

__all__ = ["Alone", "Together", "joined"]

BUCKET = 1 << 25
"""Bytes of small gradients that are added up in one go."""
PATIENCE = timedelta(hours=2)
"""How long a worker waits for the others, which may be waiting for one that validates."""


class Alone:
    """One worker, which does all of it."""

    rank, size = 0, 1

    def generator(self, seed: int) -> torch.Generator:
        """What orders and negatives are drawn from."""
        return torch.Generator().manual_seed(seed)

    def begin(self, model: nn.Module, seed: int) -> None:
        """Everybody has the same weights from here on. Raises TrainingError where others have rows of a table."""
        for name, table in shards_of(model).items():
            raise TrainingError(
                f"the rows of {name} lie with {table.workers.size} workers: all of them train it, fit(..., workers=)",
                module=name,
            )

    def begin_epoch(self, seed: int, number: int) -> None:
        """Everybody draws masks of its own from here on."""

    def across(self, model: nn.Module) -> AbstractContextManager[None]:
        """Inside, norms are those of a whole batch."""
        return contextlib.nullcontext()

    def measured(self, data: Samples, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, float]:
        """This worker's part of the loss of a batch, to go back from; and the loss of the batch."""
        loss = data.loss(rows, generator)
        return loss, loss.item()

    def add_up(self, parameters: Iterable[nn.Parameter]) -> None:
        """Gradients become those of the whole batch."""

    def told(self, value: Callable[[], float]) -> float:
        """A number that one worker finds out and all of them go by."""
        return value()

    def total(self, values: Tensor) -> Tensor:
        """The sum over all workers, the same to the bit on each; `values` may be written over."""
        return values

    def same(self, values: Tensor) -> Tensor:
        """Those of the first worker, to the bit; `values` may be written over."""
        return values

    def agreed(self, text: str) -> str:
        """What the first worker says."""
        return text

    def once(self, write: Callable[[], None]) -> None:
        """What one worker does while the others wait."""
        write()

    def check(self, loss: str | None) -> None:
        """Raise TrainingError for a loss that cannot be parted."""


@dataclass(slots=True)
class Together(Alone):
    """One of `size` workers of torch.distributed. moved: bytes of gradients that it has handed to be added up, and of
    what it has sent to others of tables in shards (`recprune.training.sharded`)."""

    rank: int = field(default_factory=lambda: dist.get_rank())
    size: int = field(default_factory=lambda: dist.get_world_size())
    moved: int = 0
    _shards: tuple[ShardedEmbedding, ...] = field(default=(), init=False, repr=False)

    def generator(self, seed: int) -> torch.Generator:
        drawing = Drawing()
        drawing.manual_seed(seed)
        return drawing

    def begin(self, model: nn.Module, seed: int) -> None:
        tables = shards_of(model)
        self._shards, own = tuple(tables.values()), {f"{name}.weight" for name in tables}
        for name, tensor in model.state_dict().items():
            if name not in own:
                dist.broadcast(tensor, 0)

    def begin_epoch(self, seed: int, number: int) -> None:
        torch.manual_seed(seed + (self.rank << 32) + (number << 40))

    def across(self, model: nn.Module) -> AbstractContextManager[None]:
        return across(model)

    def measured(self, data: Samples, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, float]:
        assert isinstance(generator, Drawing)
        begin, end = (len(rows) * number // self.size for number in (self.rank, self.rank + 1))
        if len(rows) < self.size:  # too few to be parted: everybody learns all of them
            begin, end = 0, len(rows)
        mine, generator.share = rows[begin:end], (begin, end, len(rows))
        loss = data.loss(mine, generator)
        both = torch.tensor([loss.item() * len(mine), len(mine)], dtype=torch.float64)
        dist.all_reduce(both)
        value, total = both.tolist()
        return loss * (len(mine) / total), value / total

    def add_up(self, parameters: Iterable[nn.Parameter]) -> None:
        own = {id(table.own) for table in self._shards}
        for some in _buckets([p.grad for p in parameters if p.grad is not None and id(p) not in own]):
            flat = torch.cat([gradient.reshape(-1) for gradient in some]) if len(some) > 1 else some[0].reshape(-1)
            dist.all_reduce(flat)
            self.moved += flat.numel() * flat.element_size()
            parts = torch.split(flat, [gradient.numel() for gradient in some])
            for gradient, part in zip(some, parts, strict=True):
                gradient.copy_(part.view_as(gradient))

    def told(self, value: Callable[[], float]) -> float:
        asked = self.rank == 0 or self._shards  # who has a shard is asked for its rows
        found = torch.tensor([value() if asked else 0.0], dtype=torch.float64)
        dist.broadcast(found, 0)
        return float(found.item())

    def total(self, values: Tensor) -> Tensor:
        values = values.contiguous()
        dist.all_reduce(values)
        return self.same(values)

    def same(self, values: Tensor) -> Tensor:
        values = values.contiguous()
        dist.broadcast(values, 0)
        return values

    def agreed(self, text: str) -> str:
        letters = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)
        length = torch.tensor(len(letters))
        dist.broadcast(length, 0)
        if self.rank:
            letters = torch.empty(int(length), dtype=torch.uint8)
        dist.broadcast(letters, 0)
        return letters.numpy().tobytes().decode()

    def once(self, write: Callable[[], None]) -> None:
        if self.rank == 0 or self._shards:
            write()
        dist.barrier()

    def check(self, loss: str | None) -> None:
        if loss == "multinomial":
            raise TrainingError(
                "the loss 'multinomial' is a mean over what was drawn and is not parted among workers: train on one, "
                "or take a model of users or sequences by 'softmax' or 'sampled_softmax'",
                loss=loss,
            )


def _buckets(gradients: list[Tensor]) -> Iterator[list[Tensor]]:
    """Gradients side by side, as long as they are small and of one kind."""
    bucket: list[Tensor] = []
    for gradient in gradients:
        alike = all((g.dtype, g.device) == (gradient.dtype, gradient.device) for g in bucket)
        size = sum(g.numel() * g.element_size() for g in [*bucket, gradient])
        if bucket and (not alike or size > BUCKET):
            yield bucket
            bucket = []
        bucket.append(gradient)
    if bucket:
        yield bucket


@contextlib.contextmanager
def joined() -> Iterator[Alone]:
    """The workers that torchrun has started, by gloo on processors and nccl on graphics cards; those of a process group
    that is there already, as Ray Train makes one; or this one alone."""
    if dist.is_available() and dist.is_initialized():
        yield Together()
        return
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield Alone()
        return
    store, rank, size = next(dist.rendezvous("env://", timeout=PATIENCE))  # type: ignore[attr-defined]
    # workers that are started again meet in the same store, and must not find the addresses of those that died
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    store = dist.PrefixStore(f"attempt {attempt}", store)  # type: ignore[attr-defined]
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)
    try:
        yield Together()
    finally:
        dist.destroy_process_group()
