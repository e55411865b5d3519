"""rounded(): training that knows in how many bits the weights will be stored."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from recprune.encodings.placing import refusal
from recprune.encodings.spelled import Encoding, spelled
from recprune.errors import TrainingError
from recprune.training.state import BeforeEpoch

__all__ = ["last_epochs", "rounded"]


@contextlib.contextmanager
def rounded(
    model: nn.Module, encodings: Mapping[str, str], *, after: int = 0, used: Mapping[str, Tensor] | None = None
) -> Iterator[BeforeEpoch]:
    """Inside, some weights act in forward as they will be once they are packed: W as decode(encode(W)).

    The gradient goes to W as if nothing had been rounded (straight through: Bengio et al. 2013, section 2.3; for
    weights stored in few bits Jacob et al. 2018, section 3). In place; names in `state_dict` are others inside, and
    afterwards W is the plain parameter again, to be packed. In evaluation mode weights are always rounded, exactly as
    `pack` rounds them, so that the best epoch on validation is the best one to pack.
    encodings: tensor -> encoding, as `pack` takes them. after: epochs of training that come before any rounding, for a
    `fit` that is given what this yields. used: as for `pack`. Raises TrainingError for a tensor that cannot be packed
    and for a negative `after`, ExtensionError for an encoding that there is not.

    >>> with rounded(model, {"item.weight": "int4_rows"}, after=6) as steps:
    ...     fit(model, split, FitOptions(epochs=12), before_epoch=steps)
    >>> small = pack(model, {"item.weight": "int4_rows"})
    """
    if after < 0:
        raise TrainingError(f"weights are rounded after 0 epochs or more, not {after}", option="after")
    chosen = {name: replace(spelled(text), used=(used or {}).get(name)) for name, text in encodings.items()}
    places = {name: _places(model, name) for name in chosen}
    orders = {module: list(module._parameters) for found in places.values() for module, _ in found}
    roundings = [_Rounding(chosen[name]) for name in places]
    for rounding, found in zip(roundings, places.values(), strict=True):
        for module, attribute in found:
            parametrize.register_parametrization(module, attribute, rounding)
            rounding.train(module.training)

    def switch(done: int) -> None:
        for rounding in roundings:
            rounding.on = done >= after

    try:
        yield BeforeEpoch(switch, {"rounded": {name: str(e) for name, e in chosen.items()}, "after": after})
    finally:
        for found in places.values():
            for module, attribute in found:
                parametrize.remove_parametrizations(module, attribute, leave_parametrized=False)
        for module, order in orders.items():
            for name in order:
                module._parameters[name] = module._parameters.pop(name)


def last_epochs(epochs: int, share: float) -> int:
    """Epochs before rounding, where the last `share` of them, 0 to 1, is to be rounded. Raises TrainingError."""
    if not 0 <= share <= 1:
        raise TrainingError(f"rounded is a share of the epochs, 0 to 1, not {share}", option="rounded")
    return epochs - round(share * epochs)


def _places(model: nn.Module, name: str) -> list[tuple[nn.Module, str]]:
    """Every module that holds a parameter, and as what. Raises TrainingError where it cannot be packed."""
    found = dict(model.named_parameters(remove_duplicate=False))
    if name not in found:
        raise TrainingError(f"no parameter {name!r}; there are: {', '.join(found)}", tensor=name)
    places = [(m, attribute) for m in model.modules() for attribute, p in m._parameters.items() if p is found[name]]
    for module, attribute in places:
        reason = refusal(module, attribute)
        if reason:
            raise TrainingError(f"{name!r} will not be packed, so that it cannot be rounded: it {reason}", tensor=name)
    return places


class _Rounding(nn.Module):
    """W -> decode(encode(W)); in training mode with scales or books that are kept for some steps, and only when on.

    Nothing here is part of the state: an epoch begins with those found anew, so that a training that was stopped after
    one goes on as if it had not been.
    """

    def __init__(self, encoding: Encoding) -> None:
        super().__init__()
        self.encoding, self.on = encoding, True
        self._seen: Tensor | None = None
        self._value: Tensor | None = None
        self._kept: Any = None
        self._steps = 0

    def forward(self, weight: Tensor) -> Tensor:
        if self.training and not self.on:
            return weight
        if self._seen is None or not torch.equal(self._seen, weight):
            self._value = self._near(weight.detach()) if self.training else self.encoding.encode(weight).dense()
            self._seen = weight.detach().clone()
        found: Tensor = _Straight.apply(weight, self._value)  # type: ignore[no-untyped-call]
        return found

    def train(self, mode: bool = True) -> Any:
        self._seen = self._value = self._kept = None
        self._steps = 0
        return super().train(mode)

    def _near(self, weight: Tensor) -> Tensor:
        if self._steps % self.encoding.kind.keeps == 0:
            self._kept = None
        self._steps += 1
        value, self._kept = self.encoding.nearest(weight, self._kept)
        return value


class _Straight(torch.autograd.Function):
    """One tensor forward, its gradient to another."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, value: Tensor) -> Tensor:
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None
