"""The small space that tuning looks through: a few options of the training and of the model, around what they are."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from recprune.evaluation.inputs import ranks
from recprune.models.recommender import Recommender
from recprune.training.options import FitOptions
from recprune.training.windows import learns_all_positions

__all__ = ["Choices", "Range", "Space", "space_of", "untuned"]


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from low to high, evenly or (log) by their magnitude."""

    low: float
    high: float
    log: bool = True

    def around(self, value: float) -> Range:
        """The same, widened until it holds the value; no range by magnitude holds 0, and it stays as it is."""
        if self.log and value <= 0:
            return self
        return Range(min(self.low, value), max(self.high, value), self.log)

    def holds(self, value: float) -> bool:
        """Whether the value can be drawn."""
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Choices:
    """One of a few values."""

    values: tuple[Any, ...]

    def around(self, value: Any) -> Choices:
        """The same with the value among them."""
        return Choices(tuple(sorted({*self.values, value})))

    def holds(self, value: Any) -> bool:
        """Whether the value can be drawn."""
        return value in self.values


Space = Mapping[str, Range | Choices]
"""Option -> what it may be: "fit.lr" is an option of the training, "model.dim" one of the constructor."""

ROWS: Space = {
    "lr": Range(3e-4, 4e-2),
    "decay": Range(1e-3, 1.0),
    "l2": Choices((0.0, 2e-5, 5e-5, 1e-4, 2e-4)),
    "batch": Choices((512, 1024, 2048)),
}
LISTS: Space = {"lr": Range(5e-4, 2e-2), "decay": Range(1e-3, 1.0), "batch": Choices((256, 1024, 4096))}
HISTORIES: Space = {"lr": Range(1e-3, 3e-2), "decay": Range(1e-3, 1.0), "hidden": Range(0.3, 0.7, log=False)}
POSITIONS: Space = {"lr": Range(3e-4, 1e-2), "decay": Range(1e-3, 1.0), "batch": Choices((64, 128, 256))}

FIXED: Space = {
    "dropout": Range(0.0, 0.6, log=False),
    "smooth": Range(0.0, 0.95, log=False),
    "user_power": Range(0.0, 1.0, log=False),
    "item_power": Range(0.0, 0.3, log=False),
    "layers": Choices((1, 2, 3)),
    "heads": Choices((1, 2, 4)),
}
"""Options of constructors that mean the same whatever the model."""

TIMES: Mapping[str, float] = {"reg": 30.0, "shrink": 10.0, "alpha": 3.0, "temperature": 3.0}
"""Those that are looked for between a part of their default and so many times of it."""

SIZES = ("dim", "k")
"""Those that are halved or doubled."""


def space_of(model: nn.Module, options: FitOptions) -> dict[str, Range | Choices]:
    """What may be tuned of a model, and of how it is trained: by its family (solved in closed form, whole histories,
    all positions of a sequence, lists, rows), and the options of its constructor that are known by name.

    Every range holds what the option is without tuning (`options`, and the model's own `config`), but that of an option
    which is 0 and is looked for by its magnitude.
    """
    now, found = untuned(model, options), dict[str, Range | Choices]()
    for name, part in _of_fit(model).items():
        found[f"fit.{name}"] = part.around(now[f"fit.{name}"])
    if now["fit.reg"]:
        found["fit.reg"] = _times("reg", now["fit.reg"])
    for name in _taken(type(model)):
        here = _of_model(name, now.get(f"model.{name}"))
        found |= {f"model.{name}": here} if here and f"fit.{name}" not in found else {}
    return found


def untuned(model: nn.Module, options: FitOptions) -> dict[str, Any]:
    """What every option is without tuning: those of the training, and the model's `config`. The strength of a model
    that is solved in closed form is that of `options`, or its own."""
    config: Mapping[str, Any] = getattr(model, "config", {})
    found = {f"fit.{k}": v for k, v in asdict(options).items()} | {f"model.{k}": v for k, v in config.items()}
    solved = hasattr(model, "refit_")
    return found | {"fit.reg": (options.reg or config.get("reg")) if solved else None}


def _taken(kind: Any) -> list[str]:
    """Options of the constructor that `of` takes too."""
    of = inspect.signature(kind.of).parameters
    every = any(part.kind is inspect.Parameter.VAR_KEYWORD for part in of.values())
    return [name for name in inspect.signature(kind).parameters if every or name in of]


def _of_fit(model: Any) -> Space:
    if hasattr(model, "refit_"):
        return {}
    if not ranks(model):
        return ROWS
    if "history" in model.columns:
        return HISTORIES
    return POSITIONS if isinstance(model, Recommender) and learns_all_positions(model) else LISTS


def _times(name: str, now: float) -> Range:
    return Range(now / TIMES[name], now * TIMES[name])


def _of_model(name: str, now: Any) -> Range | Choices | None:
    if not isinstance(now, int | float) or isinstance(now, bool):
        return None
    if name in FIXED:
        return FIXED[name].around(now)
    if name in TIMES and now > 0:
        return _times(name, now)
    if name in SIZES and now >= 2:
        return Choices((int(now) // 2, int(now), int(now) * 2))
    return None
