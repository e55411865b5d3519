"""usual_options(): how a model of its family is trained where nothing else is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from torch import nn

from recprune.data.dataset import Dataset, Split
from recprune.errors import TrainingError
from recprune.evaluation.inputs import columns_of
from recprune.training.make_samples import usual_loss
from recprune.training.options import FitOptions, Loss
from recprune.training.windows import learns_all_positions

__all__ = [
    "FAMILIES",
    "TUNING",
    "Said",
    "changed",
    "seed_of",
    "settled",
    "settled_tuning",
    "usual_options",
    "usual_tuning",
]

Said = Mapping[str, Any]
"""Options of a training that are said; all others are as usual."""

FAMILIES: Mapping[str, Said] = {
    "clicks": {"epochs": 10, "lr": 2e-2, "schedule": "linear", "decay": 0.0, "l2": 1e-4},
    "ratings": {"epochs": 10, "lr": 2e-2, "schedule": "linear", "decay": 0.0, "l2": 1e-3},
    "pairs": {"lr": 5e-3, "schedule": "linear", "decay": 0.0},
    "graph": {"lr": 1e-2, "schedule": "linear", "decay": 0.0},
    "constraints": {"lr": 2e-2, "schedule": "linear", "decay": 0.0},
    "histories": {"batch": 128, "lr": 3e-2, "schedule": "linear", "decay": 0.0},
    "positions": {"batch": 128, "lr": 3e-3, "schedule": "linear"},
    "sequences": {"epochs": 12, "batch": 512, "schedule": "linear", "decay": 0.3},
}
"""What differs from `FitOptions()` in each family. Chosen on validation parts; `python -m benchmarks.usual` measures
what it is worth. Where the step size falls all epochs are trained, as the last and small steps are worth most."""

TUNING = 8
"""Epochs of fine-tuning."""

TUNED: Mapping[str, Said] = {"clicks": {"lr": 1e-2}}
"""What else differs in fine-tuning. Validation AUC of DeepFM in a tenth of its bytes at the step size of training, half
and a quarter of it: Frappe 0.9846, 0.9852; MovieLens 100K (two seeds) 0.7839, 0.7844, 0.7824; Adult 0.9237, 0.9245,
0.9249; of half of it, MovieLens 100K: 0.7833, 0.7836, 0.7838."""


def usual_options(model: nn.Module, data: Split | Dataset, **said: Any) -> FitOptions:
    """The options by which models of this one's family learn best on the data they were chosen on, changed by `said`.

    The family is told by the loss (said or usual) and by what the model reads: clicks (bce), ratings (mse), pairs of
    user and item, those that learn through the graph, whole histories, all positions of a sequence or its last one,
    constraints; a model that is solved in closed form has none. Raises TrainingError for an option that there is not,
    or a value that does not suit.
    """
    known = {f.name for f in fields(FitOptions)}
    for name in said:
        if name not in known:
            raise TrainingError(f"no training option {name!r}; there are: {', '.join(sorted(known))}", option=name)
    own = FAMILIES.get(_family(model, data, said.get("loss")), {})
    chosen = replace(FitOptions(), **{**own, **said})
    return replace(chosen, patience=chosen.epochs) if own and "patience" not in said else chosen


def usual_tuning(model: nn.Module, data: Split | Dataset, **said: Any) -> FitOptions:
    """The same for fine-tuning a smaller model: in fewer epochs, and of clicks by smaller steps."""
    own = TUNED.get(_family(model, data, said.get("loss")), {})
    return usual_options(model, data, **{"epochs": TUNING, **own, **said})


def settled(model: nn.Module, data: Split | Dataset, options: FitOptions | Said | None) -> FitOptions:
    """All options: those given, or the usual ones with what is said."""
    return options if isinstance(options, FitOptions) else usual_options(model, data, **(options or {}))


def settled_tuning(model: nn.Module, data: Split | Dataset, options: FitOptions | Said | None) -> FitOptions:
    """The same of fine-tuning."""
    return options if isinstance(options, FitOptions) else usual_tuning(model, data, **(options or {}))


def changed(options: FitOptions | Said | None, **said: Any) -> FitOptions | Said:
    """The same with what is said."""
    return replace(options, **said) if isinstance(options, FitOptions) else {**(options or {}), **said}


def seed_of(options: FitOptions | Said | None) -> int:
    """The seed of all that is drawn."""
    return options.seed if isinstance(options, FitOptions) else int((options or {}).get("seed", 0))


def _family(model: Any, data: Split | Dataset, loss: Loss | None) -> str:
    if hasattr(model, "refit_"):
        return "closed"
    train = data.train if isinstance(data, Split) else data
    columns = columns_of(model)
    loss = loss or usual_loss(model, train)
    if loss in ("bce", "mse"):
        return {"bce": "clicks", "mse": "ratings"}[loss]
    if loss in ("multinomial", "constraint"):
        return {"multinomial": "histories", "constraint": "constraints"}[loss]
    if loss != "bpr" and learns_all_positions(model):
        return "positions"
    if "sequence" in columns:
        return "sequences"
    return "graph" if hasattr(model, "propagation") and model.propagation()[2] else "pairs"
