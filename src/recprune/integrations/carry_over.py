"""carry_over_(): an optimizer goes on with a smaller model, and remembers what it knew of what stays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from recprune.errors import TrainingError
from recprune.planning.plan import Plan
from recprune.tracing.build import named_tensors
from recprune.tracing.cutting import positions_gone

__all__ = ["carry_over_"]

Gone = Mapping[tuple[str, int], NDArray[np.int64]]


def carry_over_(optimizer: Optimizer, model: nn.Module, small: nn.Module, plan: Plan) -> None:
    """Put the parameters of a smaller model into an optimizer in the place of those that they were cut from, in place.

    small: what `recprune.apply(model, plan, example, packed=False)` made. Whatever the optimizer keeps in the shape of
    a parameter (momentum, running means of gradients and their squares) is cut like the parameter itself; single
    numbers (how many steps were made) stay. Groups keep their order and their options; parameters of other modules stay
    as they are. Raises TrainingError, and leaves the optimizer as it was, where a parameter has no successor or the
    optimizer keeps something of another shape.
    """
    names = {id(tensor): name for name, tensor in named_tensors(model).items()}
    successors = named_tensors(small)
    gone = positions_gone(plan.survey, {site.name: plan.leaving(site) for site in plan.survey.sites})
    new: dict[int, Tensor] = {}
    states: dict[Tensor, dict[str, Any]] = {}
    for parameter in (each for group in optimizer.param_groups for each in group["params"] if id(each) in names):
        name = names[id(parameter)]
        if name not in successors:
            raise TrainingError(f"the smaller model has no parameter {name!r} that the optimizer could go on with")
        new[id(parameter)] = successors[name]
        if parameter in optimizer.state:
            kept = optimizer.state[parameter].items()
            states[successors[name]] = {key: _cut(name, key, value, parameter, gone) for key, value in kept}
    for group in optimizer.param_groups:
        for each in group["params"]:
            if id(each) in new:
                optimizer.state.pop(each, None)
        group["params"] = [new.get(id(each), each) for each in group["params"]]
    optimizer.state.update(states)


def _cut(name: str, key: str, value: Any, parameter: Tensor, gone: Gone) -> Any:
    if not isinstance(value, Tensor) or (value.numel() == 1 and value.shape != parameter.shape):
        return value
    if value.shape != parameter.shape:
        raise TrainingError(
            f"the optimizer keeps {key!r} of {name} as {tuple(value.shape)}, which cannot be cut like the "
            f"{tuple(parameter.shape)} of the parameter: make a new optimizer after each cut, or take Adam or SGD",
            parameter=name,
        )
    for dim in range(value.dim()):
        if len(left := gone.get((name, dim), np.empty(0, dtype=np.int64))):
            stays = np.delete(np.arange(value.shape[dim]), left)
            value = value.index_select(dim, torch.from_numpy(stays).to(value.device))
    return value.clone()
