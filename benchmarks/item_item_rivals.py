"""What `benchmarks.item_item` sets against a pruned item-item matrix: other entries, as many, and SANSA."""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from recprune.data.dataset import Split
from recprune.encodings.largest import largest
from recprune.models._ridge import gram
from recprune.models.ease import Ease
from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.recipe.prune import plan
from recprune.recipe.pruned import carry_out

__all__ = ["ByItem", "cosines", "drawn", "largest_of_rows", "rivals", "sansa", "weight_of"]


class ByItem(nn.Module):
    """A dense matrix served as the packed one is: the rows of the items of a history are added up."""

    columns = ("history",)

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.rows = nn.Parameter(weight.detach().T.contiguous(), requires_grad=False)

    def forward(self, history: Tensor) -> Tensor:
        """history: (batch, items) 0/1 -> scores (batch, items)."""
        users, items = history.nonzero(as_tuple=True)
        counts = torch.bincount(users, minlength=len(history))
        return nn.functional.embedding_bag(items, self.rows, counts.cumsum(0) - counts, mode="sum")


def rivals(
    dense: Ease, split: Split, budget: Budget, solved: bool
) -> Iterator[tuple[str, Callable[[], tuple[nn.Module, Plan]]]]:
    """The pruned matrix and what is set against it: as many entries, stored alike; made when they are asked for."""
    again = ", solved again" if solved else ""

    @functools.cache
    def chosen() -> Plan:
        return plan(dense, split, budget=budget)

    def other(rule: str, places: Callable[[int], Tensor], refit: bool = solved) -> tuple[nn.Module, Plan]:
        first = chosen()
        site = first.survey.sites[0]
        made = replace(first, kept={site.name: places(len(first.units(site))).numpy()}, rule=rule)
        return carry_out(dense, split, made, finetuned=refit).model, made

    def ours(refit: bool) -> tuple[nn.Module, Plan]:
        made = chosen()
        return carry_out(dense, split, made, finetuned=refit).model, made

    weight, n = weight_of(dense), split.train.n_items
    yield "pruned", lambda: ours(solved)
    if solved:
        yield "pruned, not solved again", lambda: ours(False)
    yield "largest of all", lambda: other("magnitude", lambda count: largest(weight.abs(), count), False)
    yield (
        f"largest of every row{again}",
        lambda: other("largest of a row", lambda count: largest_of_rows(weight, count)),
    )
    if solved:
        yield (
            "most similar by cosine, solved on them alone",
            lambda: other("cosine of the histories", lambda count: largest(cosines(split), count)),
        )
    yield f"by chance{again}", lambda: other("random", lambda count: drawn(n * n, count))


def sansa(split: Split, reg: float, entries: int) -> tuple[Tensor, int]:
    """SANSA by the python that RECPRUNE_SANSA names, with so many entries. Its two factors differ by a diagonal on each
    side: their entries are counted once, in two bytes, and their values are not rounded."""
    n = split.train.n_items
    with tempfile.TemporaryDirectory() as place:
        histories, out = Path(place) / "histories.npz", Path(place) / "out.npz"
        sp.save_npz(histories, split.train.histories().matrix())
        script = Path(__file__).with_name("peers_sansa.py")
        command = [os.environ["RECPRUNE_SANSA"], str(script), str(histories), str(out), str(reg), str(entries / n**2)]
        subprocess.run(command, check=True)
        parts = np.load(out)
        first, second = (
            sp.csr_matrix(tuple(parts[f"{factor}_{part}"] for part in ("data", "indices", "indptr")), shape=(n, n))
            for factor in ("first", "second")
        )
    return torch.from_numpy((first @ second).toarray().astype(np.float32).T), int(first.nnz)


def weight_of(dense: Ease) -> Tensor:
    """(items, items) as it was solved."""
    return dense.items.get_parameter("weight").detach()


def largest_of_rows(weight: Tensor, count: int) -> Tensor:
    """As many entries of every row: places in the flattened matrix."""
    n = weight.shape[1]
    blocks = torch.split(weight.abs(), 1024)
    found = [block.topk(count // n, dim=1).indices + 1024 * n * b for b, block in enumerate(blocks)]
    found = [f + torch.arange(len(f)).unsqueeze(1) * n for f in found]
    return torch.cat(found).flatten().sort().values


def cosines(split: Split) -> Tensor:
    """(items, items) cosine of every two items over the users of train, 0 of an item with itself."""
    together = gram(split.train.histories(), torch.float32)
    norms = together.diagonal().clamp(min=1).rsqrt()
    return together.mul_(norms).mul_(norms.unsqueeze(1)).fill_diagonal_(0.0)


def drawn(size: int, count: int) -> Tensor:
    """So many places out of `size`, by seed 0."""
    return torch.from_numpy(np.sort(np.random.default_rng(0).choice(size, count, replace=False, shuffle=False)))
