"""Recurrent layers: hidden units take their rows in every gate and their column in the layer's memory of itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from recprune.tracing.ledger import Labels
from recprune.tracing.step import Axes, Step, never

__all__ = ["follow", "operations"]

operations = ("torch.gru", "torch.lstm", "torch.rnn_tanh", "torch.rnn_relu")

_GATES = {"torch.gru": 3, "torch.lstm": 4, "torch.rnn_tanh": 1, "torch.rnn_relu": 1}


def follow(step: Step) -> tuple[Axes, ...]:
    """(input, state, parameters, has_biases, layers, dropout, train, both ways, batch first) -> output, last states;
    packed sequences come as (data, batch sizes, state, parameters, ...), without the last.

    A hidden unit whose weights and biases are zero stays zero when it begins as zero.
    """
    args = step.args if isinstance(step.args[3], bool) else (step.args[0], *step.args[2:])
    states, parameters = args[1], list(args[2])
    biases, layers, both = bool(args[3]), int(args[4]), bool(args[7])
    axes, ways = step.axes_of(0), 2 if both else 1
    hidden: list[Labels] = []
    every: list[Labels] = []
    each = 4 if biases else 2
    if len(parameters) != each * layers * ways:
        return _whole(step, parameters)
    feature = axes.labels[-1]
    for layer in range(layers):
        hidden = []
        for way in range(ways):
            begin = (layer * ways + way) * each
            hidden.append(_layer(step, feature, parameters[begin : begin + each]))
        every += hidden
        feature = np.concatenate(hidden)
    for other in every[1:]:
        step.merge(every[0], other)  # torch keeps one hidden size for all layers and ways
    _begins_as_zero(step, states, hidden)
    out = Axes((*axes.labels[:-1], feature), (*(False for _ in axes.labels[:-1]), True))
    return (out, *(_last(t, hidden) for t in step.output[1:]))


def _last(state: Tensor, hidden: list[Labels]) -> Axes:
    """Axes of a last state (layers * ways, batch, hidden): all layers have the same hidden units."""
    axes = never(state.shape)
    return Axes((*axes.labels[:-1], hidden[0]), (*axes.zero[:-1], True))


def _layer(step: Step, feature: Labels, parameters: list[Tensor]) -> Labels:
    """Merge the axes of one layer, one way; its hidden units."""
    gates = _GATES[step.operation]
    into, again = (step.look(t) for t in parameters[:2])
    hidden = again.labels[1]
    rows = np.tile(hidden, gates)
    if len(rows) != len(into.labels[0]):
        step.freeze(into.labels[0], "hidden units are projected")
        return hidden
    step.merge(into.labels[1], feature)
    for labels in (into.labels[0], again.labels[0], *(step.look(t).labels[0] for t in parameters[2:])):
        step.merge(rows, labels)
    return hidden


def _begins_as_zero(step: Step, states: Any, hidden: list[Labels]) -> None:
    """Freeze the hidden units where they begin with something that is not zero and not theirs."""
    for state in states if isinstance(states, list | tuple) else (states,):
        *rows, labels = step.look(state).labels
        for others in rows:
            step.freeze(others, "it begins a layer")
        if step.ledger.live(labels):
            for one in hidden:
                step.merge(one, labels)
        elif bool(state.any()):
            for one in hidden:
                step.freeze(one, "it begins with a state of its own")


def _whole(step: Step, parameters: list[Tensor]) -> tuple[Axes, ...]:
    for tensor in (step.args[0], *parameters):
        for labels in step.look(tensor).labels:
            step.freeze(labels, "a recurrent layer of this kind is not known")
    return tuple(never(t.shape) for t in step.output)
