"""Absent columns: where a field left a mapping, forward is still given zeros in its place, which nothing reads."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from recprune.tracing.inputs import Example, Path, laid_flat, part_at, paths
from recprune.tracing.site import Absent

__all__ = ["Filled", "absentable", "fill_absent_"]


def absentable(example: Example, columns: Sequence[str]) -> dict[str, Absent]:
    """The columns that stand in a mapping, and what would stand in their place. columns: names of the tensors."""
    found: dict[str, Absent] = {}
    tensors = laid_flat(example, columns)
    for name, path in paths(example, columns).items():
        tensor, around = tensors[name], part_at(example, path[:-1])
        if isinstance(around, Mapping) and path[-1] in around and tensor.dim():
            beside = {key: x for key, x in around.items() if isinstance(x, Tensor) and key != path[-1]}
            like = tuple(str(key) for key, x in beside.items() if x.shape == tensor.shape)
            dtype = str(tensor.dtype).removeprefix("torch.")
            found[name] = Absent(path, tuple(map(str, around)), tuple(tensor.shape[1:]), like, dtype)
    return found


def fill_absent_(model: nn.Module, absent: Sequence[Absent]) -> None:
    """Let a smaller model be called without those columns, in place."""
    if absent:
        setattr(model, "forward", Filled(model, model.forward, tuple(absent)))  # noqa: B010


@dataclass(eq=False)
class Filled:
    """forward of a module, with zeros for the columns that are absent. It is copied along with its module."""

    module: nn.Module
    plain: Callable[..., Any]
    absent: tuple[Absent, ...]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for one in self.absent:
            rows = next(_rows((args, kwargs), {one.path[-1]}), None)
            if rows is None:
                raise ValueError("no tensor is left in the inputs that says how many rows there are")
            if isinstance(one.path[0], str):
                kwargs = _put(kwargs, one.path, one, rows)
            else:
                args = _put(args, one.path, one, rows)
        return self.plain(*args, **kwargs)

    @property
    def __signature__(self) -> inspect.Signature:
        gone = {one.path[0] for one in self.absent if len(one.path) == 1}
        plain = inspect.signature(self.plain)
        return plain.replace(parameters=[p for p in plain.parameters.values() if p.name not in gone])

    @property
    def __code__(self) -> Any:
        return getattr(self.plain, "__code__", None)  # torch.export says where forward was written

    def __deepcopy__(self, memo: dict[int, Any]) -> Filled:
        return Filled(copy.deepcopy(self.module, memo), copy.deepcopy(self.plain, memo), self.absent)


def _rows(value: Any, but: set[str | int]) -> Iterator[Tensor]:
    """Tensors that have rows."""
    if isinstance(value, Tensor):
        yield from [value] if value.dim() else []
    elif dataclasses.is_dataclass(value):
        yield from _rows({f.name: getattr(value, f.name) for f in dataclasses.fields(value)}, but)
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _rows(part, but) if key not in but else ()
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _rows(part, but)


def _put(value: Any, path: Path, absent: Absent, rows: Tensor) -> Any:
    """The same nest with zeros at the end of the path."""
    key, rest = path[0], path[1:]
    if not rest:
        return _in_order({**value, key: _zeros(value, absent, rows)}, absent.keys)
    if isinstance(value, Mapping):
        return {**value, key: _put(value[key], rest, absent, rows)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(value, **{str(key): _put(getattr(value, str(key)), rest, absent, rows)})
    parts = [_put(part, rest, absent, rows) if number == key else part for number, part in enumerate(value)]
    return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)


def _in_order(value: Mapping[Any, Any], keys: Sequence[str]) -> dict[Any, Any]:
    """Keys as they stood in the example, then others."""
    return {key: value[key] for key in [*(k for k in keys if k in value), *(k for k in value if k not in keys)]}


def _zeros(around: Mapping[Any, Any], absent: Absent, rows: Tensor) -> Tensor:
    like = next((around[key] for key in absent.like if isinstance(around.get(key), Tensor)), None)
    shape = (rows.shape[0], *absent.shape) if like is None else like.shape
    return torch.zeros(shape, dtype=getattr(torch, absent.dtype), device=rows.device)
