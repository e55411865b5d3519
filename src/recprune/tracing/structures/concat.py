"""Concatenation and stacking: axes laid side by side; the other axes meet."""

from __future__ import annotations

import numpy as np

from recprune.tracing.step import Axes, Source, Step, never

__all__ = ["follow", "operations"]

operations = ("aten.cat.default", "aten.stack.default")


def follow(step: Step) -> Axes:
    """cat joins along an axis that is there, stack makes a new one, one position a tensor."""
    parts = [step.look(t) for t in step.arg(0, "tensors") if t.dim() > 0 and t.shape != (0,)]
    stack = step.operation == "aten.stack.default"
    dim = int(step.arg(1, "dim", 0)) % (len(parts[0].labels) + stack)
    labels, zero = list(parts[0].labels), list(parts[0].zero)
    for part in parts[1:]:
        for d in range(len(labels)):
            if stack or d != dim:
                labels[d] = step.merge(labels[d], part.labels[d])
            zero[d] = zero[d] and part.zero[d]
    if stack:
        labels.insert(dim, never([len(parts)]).labels[0])
        zero.insert(dim, True)
    else:
        labels[dim] = np.concatenate([p.labels[dim] for p in parts])
    return Axes(tuple(labels), tuple(zero), _source(parts, dim, stack))


def _source(parts: list[Axes], dim: int, stack: bool) -> Source | None:
    """Columns that are laid side by side keep their places."""
    columns = []
    for part in parts:
        source, wide = part.source, 1 if stack else len(part.labels[dim])
        if source is None or source.pointer is not None or len(source.columns) != 1 or source.part or wide != 1:
            return None
        columns.append(source.columns[0])
    return Source(tuple(columns), dim)
