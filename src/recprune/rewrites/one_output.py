"""Of a model that gives several things, one: what the others alone need is not computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from recprune.errors import SurgeryError
from recprune.rewrites._graph import captured, finished, proved

__all__ = ["one_output"]


def one_output(model: nn.Module, example: Sequence[Tensor], which: str | int) -> nn.Module:
    """A new model, for evaluation, that gives one tensor of a mapping (by its name) or a sequence (by its place).

    Towers, gates and heads that nothing else reads are gone, with their weights. example: two rows or more. Raises
    SurgeryError for an output that there is not, a model that cannot be exported, and another answer.
    """
    with torch.no_grad():
        said = model.eval()(*example)
    place = _place(model, said, which)
    made = captured(model, example)
    output = made.graph.output_node()
    given: Any = output.args[0]
    output.args = ([given[place]],)
    found = finished(made, model)
    proved(model, found, example, lambda answer: answer[which])
    return found


def _place(model: nn.Module, said: Any, which: str | int) -> int:
    names = (
        list(said) if isinstance(said, Mapping) else list(range(len(said))) if isinstance(said, list | tuple) else []
    )
    if which not in names or len(tree_leaves(said)) != len(names):
        there = ", ".join(map(str, names)) or "one tensor"
        raise SurgeryError(f"{type(model).__name__} gives no tensor {which!r}; there is: {there}", output=which)
    return names.index(which)
