"""reader_of(): what a model of sequences looks for, written down step by step, where our kernels know how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from recprune.encodings.faces import rows_of
from recprune.encodings.placing import kind_of
from recprune.encodings.recurrent import matrix_of
from recprune.errors import ExtensionError
from recprune.kernels.program import Reader
from recprune.kernels.steps import Largest, Layer, LookBack, LookUp, Norm, Program, Recur, Sum, Weigh, Window
from recprune.models.caser import Caser
from recprune.models.gru4rec import GRU4Rec
from recprune.models.nextitnet import NextItNet
from recprune.models.nextitnet import _Block as _Convolutions
from recprune.models.sasrec import SASRec, _Block
from recprune.runtimes.writer import Writer, check_plain, floats_of, need, table_of

__all__ = ["reader_of"]


def reader_of(model: nn.Module) -> Reader:
    """The `query` of SASRec, GRU4Rec, NextItNet or Caser, pruned, packed or as it is, in evaluation mode: (rows,
    length) codes to (rows, dim).

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
    gru: Any = model.gru
    need(kind_of(gru) is nn.GRU, f"the units are a {type(gru).__name__}")
    need(gru.batch_first and not gru.bias and not gru.bidirectional, "the units have biases, or go both ways")
    for layer in range(gru.num_layers):
        names = (f"weight_{kind}_l{layer}" for kind in ("ih", "hh"))
        reads, keeps = (floats_of(matrix_of(gru, name)) for name in names)
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


def _nextitnet(writer: Writer, model: NextItNet) -> None:
    x = writer.slot(model.item.embedding_dim)
    writer.steps.append(LookUp(0, table_of(model.item, writer.widths[x]), 0, x))
    last = len(model.blocks) - 1
    for number, block in enumerate(model.blocks):
        need(type(block) is _Convolutions, f"a block is a {type(block).__name__}")
        tail = number == last
        between = _norm(writer, block.inner, _convolved(writer, block.first, x, model.length), tail=False, relu=True)
        found = _convolved(writer, block.second, between, model.length, tail=tail)
        changed = _norm(writer, block.outer, found, tail=tail, relu=True)
        need(writer.widths[changed] == writer.widths[x], "a block adds up other numbers than it takes")
        out = writer.slot(writer.widths[x])
        writer.steps.append(Sum(x, changed, out))
        x = out
    _norm(writer, model.norm, x, tail=True)


def _convolved(writer: Writer, convolution: Any, x: int, length: int, *, tail: bool = False) -> int:
    """Slot of x -> slot of what a causal convolution over it gives."""
    plain = kind_of(convolution) is nn.Conv1d and (convolution.stride, convolution.padding) == ((1,), (0,))
    plain = plain and convolution.groups == 1 and convolution.bias is not None
    need(plain, "a convolution is no plain one with a bias")
    weight, (kernel,), (apart,) = convolution.weight.detach(), convolution.kernel_size, convolution.dilation
    need(weight.shape[1] == writer.widths[x], f"a convolution takes {weight.shape[1]} of {writer.widths[x]} numbers")
    seen, into = writer.slot(kernel * weight.shape[1]), writer.slot(len(weight))
    writer.steps.append(Window(x, seen, kernel, apart, length, tail=tail))
    flat = weight.transpose(1, 2).flatten(1)
    writer.steps.append(Layer(seen, into, floats_of(flat), floats_of(convolution.bias), tail=tail))
    return into


def _caser(writer: Writer, model: Caser) -> None:
    width, length = model.item.embedding_dim, model.length
    x = writer.slot(width)
    writer.steps.append(LookUp(0, table_of(model.item, width), 0, x))
    image: Any = (*model.horizontal, model.vertical)
    fits = all(kind_of(convolution) is nn.Conv2d and convolution.bias is not None for convolution in image)
    need(fits, "filters are no convolutions with a bias")
    *filters, weights = (floats_of(convolution.weight) for convolution in image)
    fits = all(found.shape[1::2] == (1, width) and found.shape[2] <= length for found in filters)
    need(fits and weights.shape[1:] == (1, length, 1), "filters are of another shape than what they see")
    joined, at = writer.slot(sum(map(len, filters)) + len(weights) * width), 0
    for convolution, found in zip(image[:-1], filters, strict=True):
        height = found.shape[2]
        seen, answers = writer.slot(height * width), writer.slot(len(found))
        writer.steps.append(Window(x, seen, height, 1, length, masked=False))
        writer.steps.append(Layer(seen, answers, found.reshape(len(found), -1), floats_of(convolution.bias), relu=True))
        writer.steps.append(Largest(answers, joined, at, height - 1, length))
        at += len(found)
    writer.steps.append(Weigh(x, joined, at, weights.reshape(len(weights), length), floats_of(image[-1].bias)))
    writer.layer(model.fc, joined, relu=True, tail=True)


def _norm(writer: Writer, norm: Any, x: int, tail: bool, relu: bool = False) -> int:
    width = writer.widths[x]
    plain = type(norm) is nn.LayerNorm and norm.normalized_shape == (width,) and norm.elementwise_affine
    need(plain and norm.bias is not None, "a norm is of other numbers, or has no weights")
    into = writer.slot(width)
    writer.steps.append(Norm(x, into, floats_of(norm.weight), floats_of(norm.bias), float(norm.eps), tail, relu))
    return into


_WRITERS: Mapping[type[nn.Module], Callable[[Writer, Any], None]] = {
    Caser: _caser,
    GRU4Rec: _gru4rec,
    NextItNet: _nextitnet,
    SASRec: _sasrec,
}
