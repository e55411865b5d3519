"""Watch: one forward pass, operation by operation; the structure that knows an operation follows its axes."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import recprune.tracing.structures as structures
from recprune.discover import module as load_module
from recprune.discover import names
from recprune.errors import SurveyError
from recprune.tracing.answers import output_name
from recprune.tracing.inputs import parts_of, storage_of, tensors_in
from recprune.tracing.seen import Field, Lookup, Seen
from recprune.tracing.step import Axes, Source, Step, never
from recprune.tracing.structures.embedding import LOOKUPS, picked_rows
from recprune.tracing.uses import compared, numbers_used

__all__ = ["Functions", "Watch"]

Follow = Callable[[Step], Axes | tuple[Axes, ...]]


@cache
def follows() -> Mapping[str, Follow]:
    """Operation -> the function of the structure that knows it."""
    known: dict[str, Follow] = {}
    for name in names(structures):
        structure = load_module(structures, name)
        known.update(dict.fromkeys(structure.operations, structure.follow))
    return known


class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every ATen operation of the forward pass, whatever Python did to get there."""

    def __init__(self, seen: Seen) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen = seen
        self._known: dict[int, Axes] = {}
        self._sharing: dict[int, list[Tensor]] = defaultdict(list)  # storage -> tensors in it
        self._alive: list[Any] = list(seen.inputs.values())
        self._tensors = _tensor_names(seen.model)
        self._columns = {id(value): name for name, value in seen.inputs.items()}
        self._stack: list[str] = []
        self._times: dict[str, int] = {}
        self.paused = False
        self._linear_output: dict[str, int] = {}
        for name, value in seen.inputs.items():
            self._known[id(value)] = replace(never(value.shape), source=Source((name,)))
            self._sharing[storage_of(value)].append(value)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here; to skip it, torch would first load its compiler, which takes a second."""
        return False

    def name_of(self, tensor: Tensor) -> str | None:
        """The name of a parameter or buffer."""
        return self._tensors.get(id(tensor))

    def look(self, tensor: Tensor) -> Axes:
        """The axes of a tensor; a parameter brings new nodes when it is first seen."""
        name = self.name_of(tensor)
        if name is None:
            return self._known.get(id(tensor)) or never(tensor.shape)
        if name not in self.seen.axes:
            labels = [self.seen.ledger.fresh(f"{name}:{d}", "tensor", n) for d, n in enumerate(tensor.shape)]
            self.seen.axes[name] = Axes(tuple(labels), tuple(True for _ in labels))
        return self.seen.axes[name]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        return output if self.paused else self.saw(str(func), args, kwargs or {}, output)

    def saw(self, operation: str, args: Any, kwargs: Any, output: Any) -> Any:
        """Follow the axes through one operation."""
        self._alive.append(output)
        number = self._times[operation] = self._times.get(operation, 0) + 1
        watched = (self.seen.ledger, self.look, self.name_of, self._module(), self.seen.averages, number)
        step = Step(operation, args, kwargs, output, *watched)
        self._read(step)
        self._scaled(step)
        found = self._follow(step)
        self._numbers(step, found)
        for tensor, axes in zip(tensors_in(output), found, strict=False):
            self._keep(tensor, self._fields(step, axes))
            if operation.split(".")[1].endswith("_"):
                self._written(tensor, axes)
        return output

    def _module(self) -> str:
        return self._stack[-1] if self._stack else ""

    def _read(self, step: Step) -> None:
        ids = picked_rows(step)
        for tensor in tensors_in((step.args, step.kwargs)):
            name = self.name_of(tensor)
            if name is not None:
                row = ids is not None and tensor is step.args[0]
                self.seen.readers.setdefault(name, set()).add(LOOKUPS[0] if row else step.operation)
            elif id(tensor) in self._columns:
                self.seen.read.add(self._columns[id(tensor)])
        if ids is not None:
            table = self.name_of(step.args[0])
            if table is not None:
                source = self.look(ids).source
                odd = source is not None and (source.negative or source.moved)
                self.seen.lookups.append(Lookup(table, None if odd else source))

    def _numbers(self, step: Step, found: tuple[Axes, ...]) -> None:
        """Note which columns keep the numbers of their ids."""
        for columns, reason in numbers_used(step, self._source, found, list(tensors_in((step.args, step.kwargs)))):
            for column in columns:
                self.seen.fixed.setdefault(column, reason)
        self.seen.compared += compared(step, self._source)

    def _source(self, tensor: Tensor) -> Source | None:
        known = self._known.get(id(tensor))
        return known.source if known is not None else None

    def _scaled(self, step: Step) -> None:
        """What comes out of a Linear, times a number for each of its outputs, is still its answer."""
        if step.operation != "aten.mul.Tensor" or not isinstance(step.output, Tensor):
            return
        for one, other in (step.args[:2], step.args[1::-1]):
            held = isinstance(other, Tensor) and other.dim() == 1 and self.name_of(other) is not None
            for name, output in self._linear_output.items():
                if held and id(one) == output:
                    self._linear_output[name] = id(step.output)
                    return

    def _follow(self, step: Step) -> tuple[Axes, ...]:
        follow = follows().get(step.operation)
        if follow is not None:
            found = follow(step)
            return found if isinstance(found, tuple) else (found,)
        for tensor in tensors_in((step.args, step.kwargs)):
            for labels in self.look(tensor).labels:
                if step.ledger.live(labels):
                    step.freeze(labels, f"operation {step.operation} is not known")
        return tuple(never(t.shape) for t in tensors_in(step.output))

    def _keep(self, tensor: Tensor, axes: Axes) -> None:
        if tuple(tensor.shape) != axes.shape:
            raise SurveyError(f"a structure gave axes {axes.shape} for a tensor of shape {tuple(tensor.shape)}")
        if self.name_of(tensor) is None:
            self._known[id(tensor)] = axes
            self._sharing[storage_of(tensor)].append(tensor)

    def _written(self, tensor: Tensor, axes: Axes) -> None:
        """A tensor was written into: others that share its numbers hold zeros where it still does, and no ids."""
        known = dict(zip(map(np.ndarray.tobytes, axes.labels), axes.zero, strict=True))
        for other in self._sharing.get(storage_of(tensor), ()):
            if other is not tensor and (old := self._known.get(id(other))) is not None:
                zero = (z and known.get(part.tobytes(), False) for part, z in zip(old.labels, old.zero, strict=True))
                self._known[id(other)] = Axes(old.labels, tuple(zero))

    def _fields(self, step: Step, axes: Axes) -> Axes:
        """Where row offsets were just added, or means of numbers taken off, the last axis is that of the fields: each
        input column is a unit."""
        source = axes.source
        if source is None or source.pointer is None or not step.operation.startswith(("aten.add", "aten.sub")):
            return axes
        labels, seen, last = axes.labels[-1], self.seen, len(axes.labels) - 1
        if source.dim == last and len(source.columns) == len(labels) and _takes_any_number(seen.model):
            columns = list(source.columns)
        elif source.dim is None and len(source.columns) == 1 and self.seen.inputs[source.columns[0]].dim() == 2:
            first = source.part[0] if source.part is not None else 0
            columns = [f"{source.columns[0]}.{first + j}" for j in range(len(labels))]
            if source.part is not None:
                step.freeze(labels, "forward takes columns by their place")
        else:
            step.freeze(labels, "forward takes a fixed number of inputs")
            columns = list(source.columns)
        known = {f.node for f in seen.fields}
        for node, column in zip(labels.tolist(), columns, strict=False):
            if node not in known:
                seen.fields.append(Field(node, column, source.pointer))
        return axes

    @contextmanager
    def hooks(self) -> Iterator[None]:
        """Know which module is running, and which Linear stands between an input and the output."""
        handles = []
        for name, module in self.seen.model.named_modules():
            handles.append(module.register_forward_pre_hook(self._enter(name)))
            handles.append(module.register_forward_hook(self._leave(name)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, name: str) -> Callable[..., None]:
        return lambda module, args: self._stack.append(name)

    def _leave(self, name: str) -> Callable[..., None]:
        def leave(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            with suppress(IndexError):
                self._stack.pop()
            square = isinstance(module, nn.Linear) and module.bias is None and module.in_features == module.out_features
            if square and args and any(args[0] is value for value in self.seen.inputs.values()):
                self._linear_output[name] = id(output)

        return leave

    def finish(self, output: Any) -> None:
        """What the model gives back stays whole; parameters that nobody read stay whole. Raises SurveyError where it
        gives back no tensors, or some that are out of sight."""
        outputs, closed = list(tensors_in(output)), next(_closed(output), None)
        if closed is not None or not outputs:
            raise SurveyError(
                f"{type(self.seen.model).__name__} gives back {closed or type(output).__name__}, whose tensors cannot "
                "be compared; let forward give tensors, or a tuple, list, dict or dataclass of them"
            )
        self.seen.item_item = [n for n, o in self._linear_output.items() if any(id(t) == o for t in outputs)]
        for number, tensor in enumerate(outputs):
            for dim, labels in enumerate(self.look(tensor).labels):
                if self.seen.rows_of(labels):
                    self.seen.answers[output_name(number), dim] = labels
                else:
                    self.seen.ledger.freeze(labels, "it is what the model gives back")


class Functions(TorchFunctionMode):
    """Sees functions that are one operation to a structure and many to torch, such as a recurrent layer."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        operation = f"torch.{getattr(func, '__name__', '')}"
        if operation not in follows():
            return func(*args, **(kwargs or {}))
        self._watch.paused = True
        try:
            output = func(*args, **(kwargs or {}))
        finally:
            self._watch.paused = False
        return self._watch.saw(operation, args, kwargs or {}, output)


def _takes_any_number(model: nn.Module) -> bool:
    """forward(*columns) of a model that says which columns it takes: a column can go."""
    kinds = [p.kind for p in inspect.signature(model.forward).parameters.values()]
    return hasattr(model, "columns") and kinds == [inspect.Parameter.VAR_POSITIONAL]


def _tensor_names(model: nn.Module) -> dict[int, str]:
    found: dict[int, str] = {}
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        found.setdefault(id(tensor), name)
    return found


def _closed(value: Any) -> Iterator[str]:
    """The types of what a nest holds that has tensors of its own and is none of these."""
    held, parts = getattr(value, "__dict__", {}).values(), list(parts_of(value))
    if not isinstance(value, Tensor) and not parts and any(isinstance(x, Tensor) for x in held):
        yield type(value).__name__
    for _, part in parts:
        yield from _closed(part)
