"""mapped(): parameters that act as what a map makes of others, which are trained in their place."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

__all__ = ["Map", "mapped"]

Map = Callable[[Sequence[Tensor]], Sequence[Tensor]]


@contextlib.contextmanager
def mapped(model: nn.Module, names: Sequence[str], forth: Map, back: Map) -> Iterator[None]:
    """Inside, the parameters of these names are forth(others), and the others are trained; afterwards they are plain
    parameters again, with the values that they were.

    forth: as many tensors as names, of the same shapes, with gradients; computed once for all of them, as long as
    nothing changes. back: its inverse, by which the others begin. What else is done to a parameter already (`rounded`)
    is done to the mapped one.
    """
    whole = _Whole(model, names, forth)
    starts, entered = back([each.detach() for each in whole.originals()]), []
    try:
        for side, name in enumerate(names):
            entered.append((name, _enter(*_place(model, name), _Side(whole, side))))
        with torch.no_grad():
            for original, start in zip(whole.originals(), starts, strict=True):
                original.copy_(start)
        yield
    finally:
        with torch.no_grad():
            ends = [each.detach().clone() for each in forth([each.detach() for each in whole.originals()])]
        for (name, leave), end in zip(entered, ends, strict=False):
            leave()
            with torch.no_grad():
                _original(model, name).copy_(end)


class _Whole:
    """All parameters that are mapped together."""

    def __init__(self, model: nn.Module, names: Sequence[str], forth: Map) -> None:
        self._model, self._names, self._forth = [model], names, forth
        self._memo: tuple[Any, Sequence[Tensor]] = (None, ())

    def originals(self) -> list[Tensor]:
        return [_original(self._model[0], name) for name in self._names]

    def now(self) -> Sequence[Tensor]:
        """What the parameters are; computed anew only where one behind them has changed."""
        behind = self.originals()
        key = (torch.is_grad_enabled(), *((id(each), each._version) for each in behind))
        if self._memo[0] != key:
            self._memo = (key, self._forth(behind))
        return self._memo[1]


class _Side(nn.Module):
    def __init__(self, whole: _Whole, side: int) -> None:
        super().__init__()
        self._whole, self._side = whole, side

    def forward(self, _: Tensor) -> Tensor:
        return self._whole.now()[self._side]


def _place(model: nn.Module, name: str) -> tuple[nn.Module, str]:
    path, _, attribute = name.rpartition(".")
    return model.get_submodule(path), attribute


def _original(model: nn.Module, name: str) -> Tensor:
    module, attribute = _place(model, name)
    if parametrize.is_parametrized(module, attribute):
        behind: Tensor = module.parametrizations[attribute].original  # type: ignore[index, union-attr]
        return behind
    plain: Tensor = getattr(module, attribute)
    return plain


def _enter(module: nn.Module, attribute: str, side: nn.Module) -> Callable[[], None]:
    """How to leave it again."""
    if parametrize.is_parametrized(module, attribute):
        chain: Any = module.parametrizations[attribute]  # type: ignore[index]
        chain.insert(0, side)
        return lambda: chain.__delitem__(0)
    order = list(module._parameters)
    parametrize.register_parametrization(module, attribute, side)

    def leave() -> None:
        parametrize.remove_parametrizations(module, attribute, leave_parametrized=False)
        for each in order:
            module._parameters[each] = module._parameters.pop(each)

    return leave
