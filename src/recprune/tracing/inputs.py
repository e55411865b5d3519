"""Inputs of any shape: tensors, dicts, lists, tuples and dataclasses of them, laid flat with a name each, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = [
    "Example",
    "Path",
    "call",
    "changed",
    "laid_flat",
    "part_at",
    "parts_of",
    "paths",
    "recoded",
    "shapes_of",
    "storage_of",
    "tensors_in",
]

Example = Sequence[Any] | Mapping[str, Any]
"""What a model is called with: a sequence of positional arguments, or a mapping of keyword arguments. An argument is a
tensor, or a dict, list, tuple or dataclass that holds some, or anything else."""

Path = tuple[str | int, ...]
"""Where a tensor stands: the number or name of the argument, then keys, names and places inside it."""

Change = Callable[[str, Tensor], Tensor | None]


def call(model: nn.Module, example: Example) -> Any:
    """What the model gives for these arguments; numbers that it draws are the same each time."""
    before = torch.get_rng_state()
    torch.default_generator.manual_seed(0)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(0)
    try:
        return model(**example) if isinstance(example, Mapping) else model(*example)
    finally:
        torch.set_rng_state(before)


def laid_flat(example: Example, columns: Sequence[str] = ()) -> dict[str, Tensor]:
    """Every tensor by its name: `columns` where there are as many, else keys and places.

    `{"user_id": x}` is called user_id, the second positional argument input1, its third part input1.2.
    """
    found = list(_walk(example))
    if len(columns) == len(found):
        return dict(zip(columns, (tensor for _, tensor in found), strict=True))
    ends = [path[-1] for path, _ in found]
    short = [path[-1:] if isinstance(path[-1], str) and ends.count(path[-1]) == 1 else path for path, _ in found]
    return {_name(path): tensor for path, (_, tensor) in zip(short, found, strict=True)}


def paths(example: Example, columns: Sequence[str] = ()) -> dict[str, Path]:
    """Where every tensor stands, by its name."""
    return dict(zip(laid_flat(example, columns), (path for path, _ in _walk(example)), strict=True))


def part_at(value: Any, path: Path) -> Any:
    """What stands there in a nest. Raises KeyError where nothing does."""
    for step in path:
        value = dict(parts_of(value))[step]
    return value


def changed(example: Example, change: Change, columns: Sequence[str] = ()) -> Any:
    """The same nest with `change(name, tensor)` in the place of every tensor; where that is None, nothing stands."""
    parts = iter([change(name, tensor) for name, tensor in laid_flat(example, columns).items()])
    return _rebuilt(example, parts)


def recoded(
    example: Example,
    codes: Mapping[str, NDArray[np.int64]],
    columns: Sequence[str] = (),
    gone: Collection[str] = (),
    zero: Collection[str] = (),
) -> Any:
    """The same nest (a sequence as a tuple) with new ids, without the columns that are gone.

    codes: column -> the new id of each old one. zero: columns that hold zeros. Column 3 of a matrix that is called x
    is x.3.
    """
    example = example if isinstance(example, Mapping) else tuple(example)

    def coded(column: str, value: Tensor) -> Tensor:
        if column not in codes:
            return value
        return torch.from_numpy(codes[column]).to(value.device)[value.long()].to(value.dtype)

    def after(column: str, value: Tensor) -> Tensor | None:
        if column in zero:
            return torch.zeros_like(value)
        parts = [f"{column}.{j}" for j in range(value.shape[1])] if value.dim() == 2 else []
        if any(part in gone or part in codes for part in parts):
            kept = [coded(p, v) for p, v in zip(parts, value.unbind(1), strict=True) if p not in gone]
            return torch.stack(kept, 1)
        return coded(column, value) if column not in gone else None

    return changed(example, after, columns) if gone or codes or zero else example


def shapes_of(example: Example) -> list[tuple[int, ...]]:
    """Shapes of all tensors, for messages."""
    return [tuple(tensor.shape) for tensor in laid_flat(example).values()]


def tensors_in(value: Any) -> Iterator[Tensor]:
    """All tensors of a nest."""
    return (tensor for _, tensor in _walk(value))


def storage_of(tensor: Tensor) -> int:
    """Where its numbers lie; 0 where that is not known."""
    return tensor.untyped_storage().data_ptr() if tensor.layout is torch.strided else 0


def _name(path: Path) -> str:
    first = f"input{path[0]}" if isinstance(path[0], int) else path[0]
    return ".".join([first, *(str(part) for part in path[1:])])


def _walk(value: Any, path: Path = ()) -> Iterator[tuple[Path, Tensor]]:
    if isinstance(value, Tensor):
        yield path, value
    for key, part in parts_of(value):
        yield from _walk(part, (*path, key))


def parts_of(value: Any) -> Iterator[tuple[str | int, Any]]:
    """The parts of a mapping, a list, a tuple or a dataclass, each by its key, place or name; none of anything else."""
    if isinstance(value, Mapping):
        yield from ((str(key), part) for key, part in value.items())
    elif isinstance(value, list | tuple):
        yield from enumerate(value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value) if f.init)


def _rebuilt(value: Any, parts: Iterator[Tensor | None]) -> Any:
    if isinstance(value, Tensor):
        return next(parts)
    if isinstance(value, Mapping):
        pairs = [(key, _rebuilt(part, parts), part) for key, part in value.items()]
        return {key: part for key, part, old in pairs if part is not None or old is None}
    new = [(key, _rebuilt(part, parts), part) for key, part in parts_of(value)]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(part for _, part, _ in new))
    if isinstance(value, list | tuple):
        return type(value)(part for _, part, old in new if part is not None or old is None)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(value, **{str(key): part for key, part, _ in new})
    return value
