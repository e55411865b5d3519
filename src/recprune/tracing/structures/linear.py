"""Matrix products: what is summed over meets, what is left stays."""

from __future__ import annotations

from recprune.tracing.step import Axes, Step

__all__ = ["follow", "operations"]

operations = (
    "aten.mm.default",
    "aten.addmm.default",
    "aten.bmm.default",
    "aten.baddbmm.default",
    "aten.mv.default",
    "aten.addmv.default",
    "aten.dot.default",
    "aten._sparse_mm.default",
    "aten._sparse_addmm.default",
)


def follow(step: Step) -> Axes:
    """(…, m, k) x (…, k, n) -> (…, m, n), with a bias where the operation adds one."""
    added = step.operation.startswith(("aten.addm", "aten.badd", "aten._sparse_addmm"))
    a, b = step.axes_of(int(added)), step.axes_of(1 + int(added))
    left, right = len(a.labels) - 1, max(len(b.labels) - 2, 0)
    step.contract(a, left, b, right)
    labels, zero = [], []
    for dim in range(left - 1 if len(a.labels) == 3 else 0):
        labels.append(step.merge(a.labels[dim], b.labels[dim]))
        zero.append(a.zero[dim] or b.zero[dim])
    if len(a.labels) > 1:
        labels.append(a.labels[-2])
        zero.append(a.zero[-2])
    if len(b.labels) > 1:
        labels.append(b.labels[-1])
        zero.append(b.zero[-1])
    out = Axes(tuple(labels), tuple(zero))
    return _with_bias(step, out) if added and step.kwargs.get("beta", 1) != 0 else out


def _with_bias(step: Step, out: Axes) -> Axes:
    bias = step.axes_of(0)
    zero = list(out.zero)
    for dim in range(len(out.labels)):
        own = dim - len(out.labels) + len(bias.labels)
        if own >= 0 and len(bias.labels[own]) == len(out.labels[dim]):
            step.merge(out.labels[dim], bias.labels[own])
            zero[dim] = zero[dim] and bias.zero[own]
        else:
            if own >= 0:
                step.freeze(bias.labels[own], "an axis of width 1 is stretched")
            zero[dim] = False
    return Axes(out.labels, tuple(zero))
