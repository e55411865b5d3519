"""From users or rows to what a model's forward takes."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.data.dataset import Dataset, Histories, Split
from recprune.errors import DataError
from recprune.models.recommender import USER_COLUMNS

__all__ = [
    "Renumber",
    "columns_of",
    "device_of",
    "example",
    "known",
    "ranks",
    "renumbered",
    "row_inputs",
    "user_inputs",
]

Renumber = Mapping[str, NDArray[np.int64]]
"""Column -> (old length,) the new code of every old code, 0 where the id left: for a model some of whose ids left."""


def columns_of(model: nn.Module) -> tuple[str, ...]:
    """The dataset columns that forward takes. Raises DataError for a module that does not say."""
    columns = getattr(model, "columns", None)
    if not isinstance(columns, tuple) or not all(isinstance(name, str) for name in columns):
        raise DataError(
            f"{type(model).__name__} does not say which columns its forward takes; set its attribute `columns` to a "
            'tuple of names, as in ("user", "item")',
            model=type(model).__name__,
        )
    return columns


def ranks(model: nn.Module) -> bool:
    """True when forward scores all items of a user at once."""
    return not getattr(model, "of_rows", False) and set(columns_of(model)) <= USER_COLUMNS


def device_of(model: nn.Module) -> torch.device:
    """Where the model's numbers are (the processor for a model without any)."""
    for tensor in chain(model.parameters(), model.buffers()):  # the first alone is looked for: requests ask
        return tensor.device
    return torch.device("cpu")


def known(split: Split, part: str) -> Histories:
    """What is known of every user before a part: train, and for the test part also validation."""
    if part not in ("valid", "test"):
        raise DataError(f"part is 'valid' or 'test', not {part!r}: lists are judged after train", part=part)
    if part == "valid" or not len(split.valid):
        return split.train.histories()
    first, then = split.train, split.valid
    names = [name for name in ("user", "item", "time", "label") if name in first.columns and name in then.columns]
    joined = {name: np.concatenate([first[name], then[name]]) for name in names}
    return Dataset(joined, first.vocabularies, first.roles).histories()


def renumbered(histories: Histories, renumber: Renumber | None) -> Histories:
    """The same histories with the items' new codes; an item that left is the unknown one."""
    if renumber is None or "item" not in renumber:
        return histories
    new = renumber["item"]
    return Histories(histories.starts, new[histories.items].astype(np.int32), int(new.max()) + 1)


def user_inputs(
    model: nn.Module, histories: Histories, users: NDArray[np.integer], *, renumber: Renumber | None = None
) -> tuple[Tensor, ...]:
    """Inputs of a model that scores all items of a user, in the order of its columns, on its device.

    user: (batch,) int64. history: (batch, n_items) float32. sequence: (batch, length) int64, the last items, oldest
    first, 0 in front; the length is the model's own. Raises DataError for another column.
    """
    items = renumbered(histories, renumber)
    return tuple(_user_column(model, name, items, users, renumber).to(device_of(model)) for name in columns_of(model))


def _user_column(
    model: nn.Module, name: str, histories: Histories, users: NDArray[np.integer], renumber: Renumber | None
) -> Tensor:
    if name == "user":
        codes = users if renumber is None or "user" not in renumber else renumber["user"][users]
        return torch.from_numpy(codes.astype(np.int64))
    if name == "history":
        return torch.from_numpy(histories.dense(users))
    if name == "sequence":
        return torch.from_numpy(histories.recent(users, _length(model)))
    raise DataError(
        f"column {name!r} is not of the user alone; those are: {', '.join(sorted(USER_COLUMNS))}", column=name
    )


def _length(model: nn.Module) -> int:
    length = getattr(model, "config", {}).get("length", getattr(model, "length", None))
    if not isinstance(length, int) or length < 1:
        raise DataError(
            f"{type(model).__name__} takes sequences and does not say how long; set config['length'] or `length`",
            model=type(model).__name__,
        )
    return length


def row_inputs(
    model: nn.Module, dataset: Dataset, rows: NDArray[np.integer] | slice, *, renumber: Renumber | None = None
) -> tuple[Tensor, ...]:
    """Inputs of a model that scores rows, in the order of its columns, on its device.

    Codes are int64, numbers float32; (batch,), or (batch, width) for a multi-valued field, and for `sequence`, the
    items of the past. Raises DataError for a column that the dataset lacks.
    """
    columns = columns_of(model)
    if "sequence" in columns and "sequence" not in dataset.columns:
        raise DataError(
            f"{type(model).__name__} takes what each user had before each row, and the rows do not say; prepare them "
            "with --pasts 20, or by recprune.data.pasts.with_pasts(split)",
            column="sequence",
        )
    return tuple(_row_column(dataset[name][rows], name, renumber).to(device_of(model)) for name in columns)


def _row_column(values: NDArray[Any], name: str, renumber: Renumber | None) -> Tensor:
    if values.dtype.kind == "f":
        return torch.from_numpy(values.astype(np.float32))
    new = None if renumber is None else renumber.get(name, renumber.get("item") if name == "sequence" else None)
    return torch.from_numpy((values if new is None else new[values]).astype(np.int64))


def example(model: nn.Module, split: Split, n: int = 3) -> tuple[Tensor, ...]:
    """A small real batch for a model: users with a history, or rows, of train; n of them, fewer where there are fewer.

    Raises DataError where train has none.
    """
    if not ranks(model):
        if not len(split.train):
            raise DataError("train has no rows to take an example from", part="train")
        return row_inputs(model, split.train, slice(0, n))
    histories = split.train.histories()
    users = np.flatnonzero(histories.counts())
    users = users[users > 0][:n]
    if not len(users):
        raise DataError("train has no user with a history to take an example from", part="train")
    return user_inputs(model, histories, users)
