"""Tables of single fields become one table with offsets: one look-up in the place of many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from recprune.rewrites._graph import aten, captured, finished, proved, value_of

__all__ = ["merge_tables"]


def merge_tables(model: nn.Module, example: Sequence[Tensor]) -> nn.Module:
    """A new model, for evaluation, with the same answers, in which tables that are looked up side by side are one.

    Where a concatenation, or a stack, takes rows of several tables of one width, each by a column (rows,) of codes, it
    takes rows of one table by code + offset. So a field costs no operation of its own. example: two rows or more. The
    model itself where there is nothing to merge. Raises SurgeryError for a model that cannot be exported, that gives
    more than one tensor, or that does not answer the same afterwards.
    """
    made, merged = captured(model, example), 0
    for node in list(made.graph.nodes):
        if (
            node.op == "call_function"
            and node.target in (aten.cat.default, aten.stack.default)
            and _along_columns(node)
        ):
            for run in list(_runs(made, node)):
                _merge(made, node, run, merged)
                merged += 1
    if not merged:
        return model
    found = finished(made, model)
    proved(model, found, example)
    return found


def _along_columns(node: Node) -> bool:
    return len(node.args) > 1 and node.args[1] in (1, -1) and not node.kwargs


def _runs(made: GraphModule, node: Node) -> Iterator[list[Node]]:
    """Rows of tables that stand side by side: of one width, each table looked up here alone."""
    parts: Any = node.args[0]
    for key, run in groupby(parts, lambda part: _kind(made, part)):
        found = list(run)
        whole = node.target is aten.cat.default or len(found) == len(parts)
        if key is not None and len(found) > 1 and whole:
            yield found


def _kind(made: GraphModule, part: Any) -> Any:
    """What rows of tables have in common that can be merged; None for anything else."""
    if not isinstance(part, Node) or part.target is not aten.embedding.default or len(part.users) > 1:
        return None
    table, codes = part.args[0], part.args[1]
    if not (isinstance(table, Node) and table.op == "get_attr" and len(table.users) == 1):
        return None
    weight, which = value_of(table), value_of(codes)
    return (weight.shape[1], weight.dtype, weight.device, which.dtype) if which.dim() == 1 else None


def _merge(made: GraphModule, node: Node, run: list[Node], number: int) -> None:
    """One look-up in the place of a run of them."""
    tables = [_tensor(made, str(part.args[0].target)) for part in run]  # type: ignore[union-attr]
    codes = [part.args[1] for part in run]
    starts = torch.tensor([0, *(len(table) for table in tables[:-1])]).cumsum(0)
    weight = nn.Parameter(torch.cat(tables), requires_grad=False)
    setattr(made, f"merged_{number}", weight)
    made.register_buffer(f"offsets_{number}", starts.to(value_of(codes[0]).dtype))
    with made.graph.inserting_before(node):
        where = made.graph.call_function(aten.stack.default, (codes, 1))
        offsets, table = (made.graph.get_attr(f"{name}_{number}") for name in ("offsets", "merged"))
        ids = made.graph.call_function(aten.add.Tensor, (where, offsets))
        rows = made.graph.call_function(aten.embedding.default, (table, ids))
        if node.target is aten.stack.default:
            node.replace_all_uses_with(rows)
            return
        flat = made.graph.call_function(aten.flatten.using_ints, (rows, 1))
    parts: Any = node.args[0]
    left = [part for part in parts if part not in run]
    left.insert(parts.index(run[0]), flat)
    if len(left) > 1:
        node.args = (left, *node.args[1:])
    else:
        node.replace_all_uses_with(flat)


def _tensor(made: GraphModule, path: str) -> Tensor:
    where, _, name = path.rpartition(".")
    found: Tensor = getattr(made.get_submodule(where), name)
    return found.detach()
