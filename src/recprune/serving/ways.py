"""Ways to list the items of one model: torch, another runtime, a kernel, or a runtime in front of a kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune import discover, runtimes
from recprune.data.dataset import Histories
from recprune.errors import ExtensionError
from recprune.evaluation.inputs import user_inputs
from recprune.runtimes.asking import Columns, Compiled, arrays
from recprune.runtimes.choice import nearest
from recprune.serving.agreement import differ, drawn_requests
from recprune.serving.eager import Eager
from recprune.serving.fast import ByRows, fast_of, has_rows
from recprune.serving.recommender import Codes, Listed, Recommender

__all__ = ["Recorded", "names", "recorded", "ways"]

KERNELS = "kernels"
BEHIND = f"_{KERNELS}"
"""`onnx_kernels`: ONNX Runtime finds the query, a kernel the items."""
EXAMPLES = 4


def names() -> list[str]:
    """Of all ways."""
    there = discover.names(runtimes)
    return sorted([*there, *(name + BEHIND for name in there if name not in ("eager", KERNELS))])


def ways(
    model: nn.Module,
    n_items: int,
    n_users: int = 1,
    *,
    only: Sequence[str] = (),
    say: Callable[[str], None] = lambda words: None,
) -> tuple[dict[str, Recommender], dict[str, str]]:
    """Name -> what lists the items of a model, for all that list the same as it does; name -> why it does not.

    only: names beside `eager`, all where none is said. n_items, n_users: rows of its vocabularies. Raises DataError for
    a model of rows, ExtensionError for a name that there is not.
    """
    for name in set(only) - set(names()):
        discover.module(runtimes, name)
    eager = Eager(model, n_items)
    ready: dict[str, Recommender] = {"eager": eager}
    refused: dict[str, str] = {}
    for name in (n for n in names() if n != "eager" and (not only or n in only)):
        say(name)
        try:
            ready[name] = _made(name, eager, n_users)
        except ExtensionError as error:
            refused[name] = str(error)
    return ready, refused


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """A `Recommender` that lists by the way that was measured at the nearest number of users. listing: users of a call
    -> what lists. names: users -> the way. refused: way -> why it is not taken, though it was chosen."""

    listing: Mapping[int, Recommender]
    names: Mapping[int, str]
    refused: Mapping[str, str]
    n_items: int
    by_user: bool
    by_history: bool

    def lists(self, user: int, history: Codes, k: int, exclude: Codes) -> Listed:
        return self.listing[nearest(self.listing, 1)].lists(user, history, k, exclude)

    def many(
        self, rows: Codes, histories: Histories, codes: Codes, k: int, with_seen: bool
    ) -> tuple[Codes, NDArray[np.float32]]:
        return self.listing[nearest(self.listing, len(rows))].many(rows, histories, codes, k, with_seen)


def recorded(model: nn.Module, use: Mapping[int, str], n_items: int, n_users: int = 1) -> Recorded:
    """What lists the items of a model by a record. use: users of a call -> way. Ways that do not run here, or list
    otherwise than the model, are not taken; torch is, in their place."""
    there = names()
    wanted = set(use.values())
    ready, refused = ways(model, n_items, n_users, only=sorted(wanted & set(there)) or ["eager"])
    refused |= {name: f"there is none of that name, but {', '.join(there)}" for name in wanted - set(there)}
    taken = {users: name if name in ready else "eager" for users, name in use.items()}
    listing = {users: ready[name] for users, name in taken.items()}
    eager = ready["eager"]
    return Recorded(listing, taken, refused, n_items, eager.by_user, eager.by_history)


def _made(name: str, eager: Eager, n_users: int) -> Recommender:
    """Raises ExtensionError, with the reason, where there is none, or it lists otherwise."""
    if name == KERNELS:
        return fast_of(eager, n_users)
    if name.endswith(BEHIND):
        if not has_rows(eager.model) or not eager.by_history:
            raise ExtensionError(f"a {type(eager.model).__name__} has no query of a history that rows are searched by")
        run = _compiled(name.removesuffix(BEHIND), _Query(eager.model), eager)
        made: Recommender = ByRows(eager, partial(_called, run))
    else:
        made = Eager(eager.model, eager.n_items, partial(_called, _compiled(name, eager.model, eager)))
    for asked in drawn_requests(eager, n_users):
        try:
            said = differ(made.lists(*asked), eager.lists(*asked))
        except Exception as error:
            raise ExtensionError(f"it fails: {type(error).__name__}: {error}") from error
        if said:
            raise ExtensionError(f"it lists otherwise than the model: {said}")
    return made


class _Query(nn.Module):
    """A model of what is looked for, not of scores."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, *columns: Tensor) -> Tensor:
        found: Tensor = self.model.query(*columns)
        return found


def _compiled(name: str, model: nn.Module, eager: Eager) -> Compiled:
    made: Compiled = discover.load(runtimes, name)(model.eval(), _example(eager))
    return made


def _called(run: Compiled, *inputs: Tensor) -> Tensor:
    return torch.from_numpy(np.asarray(run(arrays(inputs))))


def _example(eager: Eager) -> Columns:
    """Columns of some users whose histories are drawn."""
    lengths = np.arange(1, EXAMPLES + 1)
    items = np.random.default_rng(0).integers(min(1, eager.n_items - 1), eager.n_items, lengths.sum()).astype(np.int32)
    histories = Histories(np.concatenate([[0], np.cumsum(lengths)]), items, eager.n_items)
    return arrays(user_inputs(eager.model, histories, np.arange(EXAMPLES), renumber={"user": np.zeros(EXAMPLES, int)}))
