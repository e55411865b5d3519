"""program_of(): a click model of recprune, evaluated, written down step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from recprune.encodings.faces import PackedLinear
from recprune.errors import ExtensionError
from recprune.kernels.steps import MARGIN, Attend, Layer, LookUp, Mean, Pairs, Product, Program, Spread, Standard
from recprune.models._fields import FieldModel
from recprune.models.autoint import AutoInt
from recprune.models.dcn import DCN
from recprune.models.deepfm import DeepFM
from recprune.models.fm import FM
from recprune.models.lr import LR
from recprune.models.neumf import NeuMF
from recprune.models.wide_deep import WideDeep
from recprune.runtimes.writer import Kind, Writer, bag_of, bias_of, check_plain, floats_of, layer_of, need, table_of

__all__ = ["program_of"]


def program_of(model: nn.Module) -> Program:
    """What the model computes in evaluation mode. Raises ExtensionError for one of which anything is not recognised."""
    write = _WRITERS.get(type(model))
    if write is None:
        there = ", ".join(sorted(kind.__name__ for kind in _WRITERS))
        raise ExtensionError(f"the kernels run {there}, and this is a {type(model).__name__}", name="kernels")
    check_plain(model)
    writer = Writer(_columns(model))
    write(writer, model)
    return Program(writer.columns, tuple(writer.widths), tuple(writer.steps), writer.bias)


def _columns(model: nn.Module) -> tuple[Kind, ...]:
    if isinstance(model, NeuMF):
        return "id", "id"
    config: Any = model.config
    sizes = dict(zip(config["fields"], config["sizes"], strict=True))
    many = set(config.get("multi", ()))
    names: Any = model.columns
    return tuple("ids" if name in many else "id" if sizes[name] else "number" for name in names)


def _places(writer: Writer, kind: Kind) -> list[int]:
    return [place for place, said in enumerate(writer.columns) if said == kind]


# --- what click models share ---


def _linear_part(writer: Writer, model: Any) -> None:
    """The weights of all fields are added to the logit."""
    for place, offset in _offsets(writer, model):
        writer.steps.append(LookUp(place, table_of(model.linear, 1), offset, -1))
    if _places(writer, "number"):
        numbers, missing = _standard(writer, model)
        writer.dot(numbers, model.number_linear)
        if missing >= 0:
            writer.dot(missing, model.missing_linear)
    for place, bag in _bags(writer, model, "bags_linear"):
        writer.steps.append(Mean(place, bag_of(bag, 1), -1))


def _vectors(writer: Writer, model: Any) -> tuple[int, int, int]:
    """Slot of the vectors of all fields side by side, how many, and how wide."""
    dim, fields, at = _dim(model), len(writer.columns), 0
    slot = writer.slot(fields * dim)
    for place, offset in _offsets(writer, model):
        writer.steps.append(LookUp(place, table_of(model.table, dim), offset, slot, at))
        at += dim
    if found := _places(writer, "number"):
        numbers, missing = _standard(writer, model)
        gone = None if missing < 0 else floats_of(model.missing_weight)
        weight, bias = floats_of(model.number_weight), floats_of(model.number_bias)
        need(weight.shape == bias.shape == (len(found), dim), "weights of numbers are of other numbers")
        writer.steps.append(Spread(numbers, slot, at, weight, bias, missing, gone))
        at += dim * len(found)
    for place, bag in _bags(writer, model, "bags"):
        writer.steps.append(Mean(place, bag_of(bag, dim), slot, at))
        at += dim
    return slot, fields, dim


def _dim(model: Any) -> int:
    if hasattr(model, "table"):
        return int(model.table.embedding_dim)
    if hasattr(model, "number_weight"):
        return int(model.number_weight.shape[1])
    return int(model.bags[0].embedding_dim)


def _offsets(writer: Writer, model: Any) -> list[tuple[int, int]]:
    places = _places(writer, "id")
    offsets = model.offsets.tolist() if places else []
    need(len(places) == len(offsets), f"{len(offsets)} offsets for {len(places)} columns of ids")
    return list(zip(places, offsets, strict=True))


def _bags(writer: Writer, model: Any, name: str) -> list[tuple[int, Any]]:
    places = _places(writer, "ids")
    bags = list(getattr(model, name)) if places else []
    need(len(places) == len(bags), f"{len(bags)} tables for {len(places)} columns of many ids")
    return list(zip(places, bags, strict=True))


def _standard(writer: Writer, model: Any) -> tuple[int, int]:
    """Slots of the numbers, and of those that are missing (-1 where nothing is made of them); written once."""
    for step in writer.steps:
        if isinstance(step, Standard):
            return step.into, step.missing
    places = _places(writer, "number")
    mean, scale = floats_of(model.number_mean), floats_of(model.number_scale)
    need(len(mean) == len(scale) == len(places), f"{len(mean)} means for {len(places)} columns of numbers")
    into = writer.slot(len(places))
    missing = writer.slot(len(places)) if model.config.get("missing") else -1
    writer.steps.append(Standard(np.array(places, dtype=np.int64), mean, scale, into, missing))
    return into, missing


def _tower(writer: Writer, tower: Any, slot: int) -> int:
    """slot -> the last one, through layers with their norms and ReLU."""
    layers = [module for module in tower if not isinstance(module, nn.Dropout | nn.Identity)]
    while layers:
        module, norm = layers.pop(0), None
        need(isinstance(module, nn.Linear | PackedLinear), f"a tower begins a layer with {type(module).__name__}")
        if layers and type(layers[0]) is nn.BatchNorm1d:
            norm = layers.pop(0)
        relu = bool(layers) and type(layers[0]) is nn.ReLU
        if relu:
            layers.pop(0)
        if not relu and norm is None and not layers and module.weight.shape[0] == 1:
            writer.dot(slot, module.weight[0])
            writer.bias += bias_of(module)
            return -1
        slot = writer.layer(module, slot, norm, relu=relu)
    return slot


def _output(writer: Writer, module: Any, parts: list[int]) -> None:
    """A layer with one unit over slots side by side."""
    weight = module.weight
    widths = [writer.widths[slot] for slot in parts]
    need(weight.shape == (1, sum(widths)), f"the last layer takes {weight.shape[1]} of {sum(widths)} numbers")
    for slot, part in zip(parts, weight[0].split(widths), strict=True):
        writer.dot(slot, part)
    writer.bias += bias_of(module)


# --- the models ---


def _lr(writer: Writer, model: Any) -> None:
    _linear_part(writer, model)
    writer.bias += float(model.bias.detach())


def _fm(writer: Writer, model: Any) -> None:
    _lr(writer, model)
    writer.steps.append(Pairs(*_vectors(writer, model)))


def _wide_deep(writer: Writer, model: Any) -> None:
    _lr(writer, model)
    slot, fields, dim = _vectors(writer, model)
    if isinstance(model, DeepFM):
        writer.steps.append(Pairs(slot, fields, dim))
    need(_tower(writer, model.tower, slot) == -1, "a tower does not end in one unit")


def _dcn(writer: Writer, model: Any) -> None:
    first, _, _ = _vectors(writer, model)
    crossed = first
    for cross in model.cross:
        inner = crossed
        if isinstance(cross, nn.Sequential):
            need(len(cross) == 2, "a cross layer is not two layers")
            inner, cross = writer.layer(cross[0], crossed), cross[1]
        crossed = writer.layer(cross, inner, first=first, plus=crossed)
        need(writer.widths[crossed] == writer.widths[first], "a cross layer changes the width")
    _output(writer, model.output, [crossed, _tower(writer, model.tower, first)])


def _autoint(writer: Writer, model: Any) -> None:
    vectors, fields, width = _vectors(writer, model)
    slot, margin = vectors, MARGIN if fields > 1 else 0
    for layer in model.attention:
        made = layer.heads * layer.inside
        parts = []
        for part in (layer.query, layer.key, layer.value, layer.residual):
            weight, bias = layer_of(part, None)
            need(weight.shape == (made, width), f"attention of {tuple(weight.shape)}, not {(made, width)}")
            into = writer.slot(fields * made + margin)
            writer.steps.append(Layer(slot, into, floats_of(weight), floats_of(bias), times=fields))
            parts.append(into)
        slot, width = writer.slot(fields * made + margin), made
        writer.steps.append(Attend(parts[0], parts[1], parts[2], parts[3], slot, fields, layer.heads, layer.inside))
    need(model.output.weight.shape == (1, fields * width), "the last layer takes other numbers")
    writer.dot(slot, torch.nn.functional.pad(model.output.weight.detach()[0], (0, margin)))
    writer.bias += bias_of(model.output)
    if model.tower is not None:
        need(_tower(writer, model.tower, vectors) == -1, "a tower does not end in one unit")


def _neumf(writer: Writer, model: Any) -> None:
    factors = []
    for place, table in enumerate((model.user, model.item)):
        slot = writer.slot(table.embedding_dim)
        writer.steps.append(LookUp(place, table_of(table, table.embedding_dim), 0, slot))
        factors.append(slot)
    need(writer.widths[0] == writer.widths[1], "factors of users and items are not of one width")
    product = writer.slot(writer.widths[0])
    writer.steps.append(Product(factors[0], factors[1], product))
    wide = [table.embedding_dim for table in (model.user_deep, model.item_deep)]
    deep, at = writer.slot(sum(wide)), 0
    for place, table in enumerate((model.user_deep, model.item_deep)):
        writer.steps.append(LookUp(place, table_of(table, wide[place]), 0, deep, at))
        at += wide[place]
    _output(writer, model.output, [product, _tower(writer, model.tower, deep)])


_WRITERS: Mapping[type, Callable[[Writer, Any], None]] = {
    **{LR: _lr, FM: _fm, WideDeep: _wide_deep, DeepFM: _wide_deep},
    **{DCN: _dcn, NeuMF: _neumf, AutoInt: _autoint},
}
assert all(issubclass(kind, FieldModel) or kind is NeuMF for kind in _WRITERS)
