"""What a training did, and where it stands."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from torch import Tensor, nn

__all__ = ["BeforeEpoch", "Epoch", "Fit", "Progress", "State"]


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the training data: mean loss, the validation metric (None where none was read), seconds."""

    number: int
    loss: float
    value: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Fit:
    """What a training did. best_epoch: the epoch whose weights the model has now (0: those it came with, or solved).

    metric: what `Epoch.value` is, such as "valid ndcg@20"; empty without validation.
    """

    history: tuple[Epoch, ...]
    best_epoch: int
    seconds: float
    metric: str = ""

    @property
    def best_value(self) -> float | None:
        """The metric after the best epoch; None where that was not measured by an epoch."""
        return next((epoch.value for epoch in self.history if epoch.number == self.best_epoch), None)

    def then(self, later: Fit) -> Fit:
        """Both trainings as one: the epochs of the later one are numbered on. The later began with the weights of the
        best epoch of this one."""
        done = len(self.history)
        history = tuple(replace(epoch, number=done + epoch.number) for epoch in later.history)
        seconds, metric = self.seconds + later.seconds, later.metric or self.metric
        best = done + later.best_epoch if later.best_epoch else self.best_epoch
        return Fit(self.history + history, best, seconds, metric)

    def to_dict(self) -> dict[str, Any]:
        """As plain data; `Fit.from_dict` gives it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Fit:
        """Read it back. Raises TypeError or KeyError for what is none."""
        return cls(**{**said, "history": tuple(Epoch(**epoch) for epoch in said["history"])})


Progress = Callable[[Epoch], None]


@dataclass(frozen=True, slots=True, eq=False)
class BeforeEpoch:
    """What is done to a model before every epoch: `do(done)` is told how many are done, and looks at nothing but that
    and the model, so that a training goes on as if it had never stopped. purpose: tells it from another, JSON-able."""

    do: Callable[[int], None]
    purpose: Mapping[str, Any]


@dataclass(slots=True)
class State:
    """Where a training stands."""

    history: list[Epoch] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = 0
    best_value: float = -math.inf

    def note(self, epoch: Epoch, sign: float, model: nn.Module, *, judged: bool = True) -> None:
        """Remember an epoch, and its weights when no earlier ones were as good. judged: False for a training without
        any validation, whose last weights are the best; otherwise an epoch without a value is none to go back to."""
        self.history.append(epoch)
        if epoch.value is not None or not judged:
            self.offer(epoch.number, math.inf if epoch.value is None else sign * epoch.value, model)

    def waited(self) -> int:
        """Validations since the best epoch."""
        return sum(epoch.value is not None for epoch in self.history[self.best_epoch :])

    def offer(self, number: int, value: float, model: nn.Module) -> None:
        """Keep these weights when they are better; without validation (inf) the last ones are."""
        if value > self.best_value or value == math.inf:
            self.best_epoch, self.best_value = number, value
            self.best = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
