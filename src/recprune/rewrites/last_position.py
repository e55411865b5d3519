"""Where only the last position of a sequence is read, the last layers compute that one alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor, nn
from torch.fx import Graph, Node

from recprune.errors import SurgeryError
from recprune.rewrites._graph import aten, captured, finished, proved, value_of

__all__ = ["last_position"]

POINTWISE = {
    *(aten.add.Tensor, aten.sub.Tensor, aten.mul.Tensor, aten.div.Tensor, aten.relu.default, aten.gelu.default),
    *(aten.silu.default, aten.tanh.default, aten.sigmoid.default, aten.dropout.default, aten.contiguous.default),
    *(aten.masked_fill.Scalar, aten.neg.default),
}
VIEWS = (aten.view.default, aten.reshape.default)


def last_position(model: nn.Module, example: Sequence[Tensor]) -> nn.Module:
    """A new model, for evaluation, that gives what the model says of the last position, and computes no more for it.

    A model that reads the last position itself, x[:, -1], answers as before. Of one that gives all positions, (rows,
    length, ...), the answer is its last one, (rows, ...). The choice of the position moves up through all operations
    that treat positions alike, and through the queries of attention; keys and values need them all. For SASRec of two
    blocks about two fifths of the encoder go. example: sequences, two rows or more. Raises SurgeryError where no last
    position is read, for a model that cannot be exported, and where answers are not the same afterwards.
    """
    made = captured(model, example)
    graph, output = made.graph, made.graph.output_node()
    chosen = [node for node in graph.nodes if node.target is aten.select.int and _is_last(node)]
    given: Any = output.args[0]
    whole = not chosen and len(given) == 1 and value_of(given[0]).dim() >= 3
    if whole:
        with graph.inserting_before(output):
            chosen = [graph.call_function(aten.select.int, (given[0], 1, -1))]
            output.args = ([chosen[0]],)
    if not chosen:
        raise SurgeryError(f"{type(model).__name__} reads no last position, as x[:, -1] does, and gives no sequence")
    for node in chosen:
        _Moved(graph).up(node)
    found = finished(made, model)
    proved(model, found, example, lambda said: said[:, -1] if whole else said)
    return found


def _is_last(node: Node) -> bool:
    source, dim, place = node.args
    shape = value_of(source).shape
    return dim in (1, 1 - len(shape)) and len(shape) > 2 and place in (-1, shape[1] - 1)


class _Moved:
    """The last position along one axis, of every node that it is asked of."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.made = graph, dict[tuple[Node, int], Node]()

    def up(self, node: Node) -> None:
        """Let what a node picks from be computed for what it picks alone."""
        source: Any = node.args[0]
        last = self.of(source, 1)
        with self.graph.inserting_before(node):
            alone = self.graph.call_function(aten.select.int, (last, 1, 0))
        node.replace_all_uses_with(alone)

    def of(self, node: Node, dim: int) -> Node:
        """The node for the last position along an axis, which then has length 1."""
        if (node, dim) not in self.made:
            args, target = self._arguments(node, dim), cast(Any, node.target)
            with self.graph.inserting_after(node):
                if args is None:
                    found = self.graph.call_function(aten.slice.Tensor, (node, dim, -1, 2**63 - 1))
                else:
                    found = self.graph.call_function(target, args, node.kwargs)
            found.meta["val"] = value_of(node).narrow(dim, -1, 1)
            self.made[node, dim] = found
        return self.made[node, dim]

    def _arguments(self, node: Node, dim: int) -> tuple[Any, ...] | None:
        """What the operation is called with for one position; None where it needs them all."""
        target, shape = node.target, value_of(node).shape if "val" in node.meta else ()
        args: list[Any] = list(node.args)
        if target in POINTWISE:
            return tuple(self._aligned(arg, dim, len(shape)) for arg in args)
        if (target is aten.linear.default and dim < len(shape) - 1) or (
            target is aten.layer_norm.default and dim < len(shape) - len(args[1])
        ):
            return (self.of(args[0], dim), *args[1:])
        if target is aten.slice.Tensor and args[1] not in (dim, dim - len(shape)):
            return (self.of(args[0], dim), *args[1:])
        if target is aten.softmax.int and args[1] not in (dim, dim - len(shape)):
            return (self.of(args[0], dim), *args[1:])
        if target is aten.transpose.int:
            one, two = (int(a) % len(shape) for a in args[1:3])
            return (self.of(args[0], {one: two, two: one}.get(dim, dim)), *args[1:])
        if target in VIEWS and self._keeps(args[0], shape, dim):
            sizes: Any = args[1]
            return self.of(args[0], dim), [*sizes[:dim], 1, *sizes[dim + 1 :]]
        if target is aten.flatten.using_ints and dim < int(args[1]) % len(value_of(args[0]).shape):
            return (self.of(args[0], dim), *args[1:])
        if target is aten.matmul.default and dim == len(shape) - 2 and len(value_of(args[0]).shape) == len(shape):
            return self.of(args[0], dim), args[1]
        if target is aten.scaled_dot_product_attention.default and dim == len(shape) - 2:
            return self._attention(args, dim, len(shape))
        return None

    def _attention(self, args: list[Any], dim: int, dims: int) -> tuple[Any, ...] | None:
        """Queries of one position; the last one looks at all before it, so that it needs no causal mask."""
        usual: list[Any] = [None, 0.0, False]
        query, key, value, mask, dropout, causal, *more = [*args, *usual[len(args) - 3 :]]
        if causal and value_of(query).shape[dim] != value_of(key).shape[dim]:
            return None
        return (self.of(query, dim), key, value, self._aligned(mask, dim, dims), dropout, False, *more)

    def _aligned(self, arg: Any, dim: int, dims: int) -> Any:
        """An argument for one position; as it is where it is no tensor or is repeated along that axis."""
        if not isinstance(arg, Node) or "val" not in arg.meta or not isinstance(value_of(arg), Tensor):
            return arg
        shape = value_of(arg).shape
        own = dim - (dims - len(shape))
        return arg if own < 0 or shape[own] == 1 else self.of(arg, own)

    def _keeps(self, source: Any, shape: Any, dim: int) -> bool:
        """Whether a view leaves all axes up to this one as they are."""
        before = value_of(source).shape
        return len(before) > dim and all(a == b for a, b in zip(before[: dim + 1], shape[: dim + 1], strict=True))
