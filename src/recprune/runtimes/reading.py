"""reader_of(): what a model of sequences looks for, written down step by step, where our kernels know how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from recprune.encodings.faces import rows_of
from recprune.errors import ExtensionError
from recprune.kernels.program import Reader
from recprune.kernels.steps import Layer, LookBack, LookUp, Norm, Program, Recur, Sum
from recprune.models.gru4rec import GRU4Rec
from recprune.models.sasrec import SASRec, _Block
from recprune.runtimes.writer import Writer, check_plain, floats_of, need, table_of

__all__ = ["reader_of"]


def reader_of(model: nn.Module) -> Reader:
    """The `query` of SASRec or GRU4Rec, pruned, packed or as it is, in evaluation mode: (rows, length) codes to (rows,
    dim).

    Positions without an item are left out, and what is asked of the last position is computed for that one alone.
    Raises ExtensionError, with the reason, for a model of which anything is not recognised.
    """
    write = _WRITERS.get(type(model))
    if write is None:
        there = ", ".join(sorted(kind.__name__ for kind in _WRITERS))
        raise ExtensionError(f"the kernels read sequences for {there}, and this is a {type(model).__name__}")
    check_plain(model)
    writer = Writer(("id", "id"))
    write(writer, model)
    length: Any = model.length
    return Reader(Program(writer.columns, tuple(writer.widths), tuple(writer.steps)), length)


def _gru4rec(writer: Writer, model: GRU4Rec) -> None:
    width = model.item.embedding_dim
    need(not bool(rows_of(model.item, torch.zeros(1, dtype=torch.int64)).any()), "row 0 of the items says something")
    x = clicks = writer.slot(width)
    writer.steps.append(LookUp(0, table_of(model.item, width), 0, x))
    gru = model.gru
    plain = type(gru) is nn.GRU and gru.batch_first and not gru.bias and not gru.bidirectional
    need(plain, "the units have biases, or go both ways")
    for layer in range(gru.num_layers):
        reads, keeps = (floats_of(getattr(gru, f"weight_{kind}_l{layer}")) for kind in ("ih", "hh"))
        need(reads.shape[1] == writer.widths[x], f"units read {reads.shape[1]} of {writer.widths[x]} numbers")
        need(len(reads) == len(keeps) == 3 * keeps.shape[1], "gates of units are not as many as states")
        gates, state = writer.slot(len(reads)), writer.slot(keeps.shape[1])
        writer.steps.append(Layer(x, gates, reads, np.zeros(len(reads), dtype=np.float32)))
        writer.steps.append(Recur(gates, state, keeps, model.length))
        x = state
    found = writer.layer(model.fc, x, plus=clicks if model.config["residual"] else -1, tail=True)
    need(writer.widths[found] == width, "what is looked for is not as wide as the items")
    if model.norm is not None:
        _norm(writer, model.norm, found, tail=True)


def _sasrec(writer: Writer, model: SASRec) -> None:
    width = model.item.embedding_dim
    there, where, x = (writer.slot(width) for _ in range(3))
    need(model.position.num_embeddings >= model.length, "positions are fewer than a sequence has")
    first = model.position.num_embeddings - model.length
    writer.steps.append(LookUp(0, table_of(model.item, width), 0, there))
    writer.steps.append(LookUp(1, table_of(model.position, width), first, where))
    writer.steps.append(Sum(there, where, x))
    last = len(model.blocks) - 1
    for number, block in enumerate(model.blocks):
        need(type(block) is _Block, f"a block is a {type(block).__name__}")
        x = _block(writer, block, x, model.length, number == last)
    _norm(writer, model.norm, x, tail=True)


def _block(writer: Writer, block: Any, x: int, length: int, tail: bool) -> int:
    """Slot of x -> slot of what comes behind a block."""
    around = _norm(writer, block.before, x, tail=False)
    query = writer.layer(block.q, around, tail=tail)
    layer = writer.steps[-1]
    assert isinstance(layer, Layer)
    scale = torch.tensor(block.scale, dtype=torch.float32).numpy()
    weight, bias = (part * scale for part in (layer.weight, layer.bias))
    writer.steps[-1] = Layer(layer.slot, layer.into, weight, bias, tail=tail)
    key, value = writer.layer(block.k, around), writer.layer(block.v, around)
    heads, width = int(block.heads), int(block.head_dim)
    need(all(writer.widths[slot] == heads * width for slot in (query, key, value)), "heads do not fit their layers")
    mixed = writer.slot(heads * width)
    writer.steps.append(LookBack(query, key, value, mixed, heads, width, length, tail))
    behind = writer.layer(block.o, mixed, plus=x, tail=tail)
    need(writer.widths[behind] == writer.widths[x], "a block adds up other numbers than it takes")
    inner = writer.layer(block.up, _norm(writer, block.after, behind, tail=tail), relu=True, tail=tail)
    out = writer.layer(block.down, inner, plus=behind, tail=tail)
    need(writer.widths[out] == writer.widths[x], "a block adds up other numbers than it takes")
    return out


def _norm(writer: Writer, norm: Any, x: int, tail: bool) -> int:
    width = writer.widths[x]
    plain = type(norm) is nn.LayerNorm and norm.normalized_shape == (width,) and norm.elementwise_affine
    need(plain and norm.bias is not None, "a norm is of other numbers, or has no weights")
    into = writer.slot(width)
    writer.steps.append(Norm(x, into, floats_of(norm.weight), floats_of(norm.bias), float(norm.eps), tail))
    return into


_WRITERS: Mapping[type[nn.Module], Callable[[Writer, Any], None]] = {SASRec: _sasrec, GRU4Rec: _gru4rec}
