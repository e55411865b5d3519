"""A model as a graph of ATen operations, for rewrites that no module says where to make; and their proof."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, export
from torch.fx import GraphModule, Node
from torch.fx.graph import CodeGen

from recprune.errors import SurgeryError

__all__ = ["aten", "captured", "finished", "proved", "value_of"]

aten = torch.ops.aten
HINT = "A forward that asks for the number of rows as a number, as len(x) does, cannot be rewritten: use x.shape[0]"
TOLERANCE = 1e-5
"""Relative difference that adding up in another order explains."""


def captured(model: nn.Module, example: Sequence[Tensor]) -> GraphModule:
    """What the model computes in evaluation mode, as a graph that is called with the same tensors in the same order and
    gives a tuple of all tensors that the model gives. example: two rows or more; any number of rows is taken later,
    unless forward asks for it as a number. Raises SurgeryError for a model that cannot be exported."""
    inputs = tuple(example)
    if not all(isinstance(x, Tensor) for x in inputs):
        raise SurgeryError(f"a graph is made of tensors in order, not of {[type(x).__name__ for x in inputs]}")
    shapes = tuple({0: Dim.AUTO} for _ in inputs)
    mode = model.training
    try:
        with torch.no_grad():
            program = export(model.eval(), inputs, dynamic_shapes=_as_taken(model, shapes))
        made: Any = program.module(check_guards=False)
    except Exception as error:  # whatever the exporter raises
        first = (str(error).strip().splitlines() or [""])[0][:200]
        raise SurgeryError(f"{type(model).__name__} cannot be exported: {type(error).__name__}: {first}") from error
    finally:
        model.train(mode)
    made.graph.set_codegen(CodeGen())
    return GraphModule(made, made.graph)


def finished(made: GraphModule, model: nn.Module) -> GraphModule:
    """The graph without what nothing reads, giving its one output as it is; `columns` are those of the model."""
    output = made.graph.output_node()
    (found,) = output.args[0] if isinstance(output.args[0], list | tuple) else (output.args[0],)
    output.args = (found,)
    made.graph.eliminate_dead_code()
    made.delete_all_unused_submodules()
    made.graph.lint()
    made.recompile()
    columns = getattr(model, "columns", None)
    if columns is not None:
        made.columns = columns
    out: GraphModule = made.eval()
    return out


def proved(
    model: nn.Module, made: nn.Module, example: Sequence[Tensor], expected: Callable[[Any], Any] = lambda said: said
) -> None:
    """Ask both with all rows, and with the first alone. expected: what of the model's answer the other one gives.

    Raises SurgeryError where they do not answer the same up to rounding.
    """
    mode = model.training
    try:
        for rows in (len(example[0]), 1):
            some = [x[:rows] for x in example]
            with torch.no_grad():
                wanted, found = expected(model.eval()(*some)), _answer(made, some)
            if not isinstance(wanted, Tensor) or wanted.shape != found.shape:
                raise SurgeryError(f"rewritten, it gives {tuple(found.shape)} with {rows} rows. {HINT}")
            apart = float((found.double() - wanted.double()).abs().max()) if found.numel() else 0.0
            allowed = TOLERANCE * max(1.0, float(wanted.abs().max())) if found.numel() else 0.0
            if not apart <= allowed:
                raise SurgeryError(
                    f"rewritten, it answers {apart:.3g} apart, more than {allowed:.3g}", difference=apart
                )
    finally:
        model.train(mode)


def value_of(node: Any) -> Any:
    """The tensor that a node stood for when the graph was made: its shape and type."""
    return node.meta["val"] if isinstance(node, Node) else node


def _answer(made: nn.Module, some: list[Tensor]) -> Tensor:
    try:
        found: Tensor = made(*some)
    except Exception as error:
        raise SurgeryError(
            f"rewritten, it does not run with {len(some[0])} rows: {type(error).__name__}: {error}. {HINT}"
        ) from error
    return found


def _as_taken(model: nn.Module, shapes: tuple[Any, ...]) -> Any:
    """Shapes by the parameters of forward, the last of which may be `*columns`."""
    code = getattr(model.forward, "__code__", None)
    many = code is not None and code.co_flags & 0x04
    if not many:
        return shapes
    assert code is not None
    named = code.co_argcount - 1
    return (*shapes[:named], shapes[named:])
