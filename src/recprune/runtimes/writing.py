"""program_of(): a click model of recprune, evaluated, written down step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.encodings.faces import Packed, PackedEmbedding, PackedEmbeddingBag, PackedLinear
from recprune.errors import ExtensionError
from recprune.kernels.program import (
    MARGIN,
    Attend,
    Dot,
    Layer,
    LookUp,
    Mean,
    Pairs,
    Product,
    Program,
    Spread,
    Standard,
    Step,
)
from recprune.kernels.stored import Stored, stored
from recprune.models._fields import FieldModel
from recprune.models.autoint import AutoInt
from recprune.models.dcn import DCN
from recprune.models.deepfm import DeepFM
from recprune.models.fm import FM
from recprune.models.lr import LR
from recprune.models.neumf import NeuMF
from recprune.models.wide_deep import WideDeep
from recprune.rewrites.fold_norm import folded

__all__ = ["Writer", "check_plain", "floats_of", "need", "program_of", "table_of"]

Kind = Literal["id", "ids", "number"]
Floats = NDArray[np.float32]


class Writer:
    """A program while it is written."""

    def __init__(self, columns: tuple[Kind, ...]) -> None:
        self.columns, self.widths, self.steps, self.bias = columns, list[int](), list[Step](), 0.0

    def slot(self, width: int) -> int:
        """A new one of that width."""
        self.widths.append(width)
        return len(self.widths) - 1

    def layer(self, module: Any, slot: int, norm: nn.BatchNorm1d | None = None, **how: Any) -> int:
        """slot -> a new one, through a layer and the norm behind it."""
        weight, bias = _layer(module, norm)
        need(weight.shape[1] == self.widths[slot], f"a layer takes {weight.shape[1]} of {self.widths[slot]} numbers")
        into = self.slot(len(weight))
        self.steps.append(Layer(slot, into, floats_of(weight), floats_of(bias), **how))
        return into

    def dot(self, slot: int, weight: Tensor) -> None:
        """weight · slot is added to the logit."""
        need(len(weight) == self.widths[slot], f"a layer takes {len(weight)} of {self.widths[slot]} numbers")
        self.steps.append(Dot(slot, floats_of(weight)))


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


def check_plain(model: nn.Module) -> None:
    """Raises ExtensionError for a model with hooks, or that is not on the processor."""
    for path, module in model.named_modules():
        odd = module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module)
        need(not odd, f"{path or 'the model'} has hooks, or a forward of its own")
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        need(tensor.device.type == "cpu", f"{name} is on {tensor.device}, and the kernels run on the processor")


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
        writer.steps.append(Mean(place, _bag(bag, 1), -1))


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
        writer.steps.append(Mean(place, _bag(bag, dim), slot, at))
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
    layers = list(tower)
    while layers:
        module, norm = layers.pop(0), None
        if isinstance(module, nn.Dropout | nn.Identity):
            continue
        need(isinstance(module, nn.Linear | PackedLinear), f"a tower begins a layer with {type(module).__name__}")
        if layers and type(layers[0]) is nn.BatchNorm1d:
            norm = layers.pop(0)
        relu = bool(layers) and type(layers[0]) is nn.ReLU
        if relu:
            layers.pop(0)
        if not relu and norm is None and not layers and module.weight.shape[0] == 1:
            writer.dot(slot, module.weight[0])
            writer.bias += _bias(module)
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
    writer.bias += _bias(module)


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
            weight, bias = _layer(part, None)
            need(weight.shape == (made, width), f"attention of {tuple(weight.shape)}, not {(made, width)}")
            into = writer.slot(fields * made + margin)
            writer.steps.append(Layer(slot, into, floats_of(weight), floats_of(bias), times=fields))
            parts.append(into)
        slot, width = writer.slot(fields * made + margin), made
        writer.steps.append(Attend(parts[0], parts[1], parts[2], parts[3], slot, fields, layer.heads, layer.inside))
    need(model.output.weight.shape == (1, fields * width), "the last layer takes other numbers")
    writer.dot(slot, torch.nn.functional.pad(model.output.weight.detach()[0], (0, margin)))
    writer.bias += _bias(model.output)
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


# --- numbers of modules ---


def table_of(module: Any, width: int) -> Stored:
    need(type(module) in (nn.Embedding, PackedEmbedding), f"a table is a {type(module).__name__}")
    need(getattr(module, "max_norm", None) is None, "a table has max_norm")
    return _rows(module, width)


def _bag(module: Any, width: int) -> Stored:
    need(type(module) in (nn.EmbeddingBag, PackedEmbeddingBag), f"a table of bags is a {type(module).__name__}")
    plain = module.mode == "mean" and module.padding_idx == 0 and getattr(module, "max_norm", None) is None
    need(plain, "a table of bags takes no plain mean without row 0")
    return _rows(module, width)


def _rows(module: Any, width: int) -> Stored:
    """Rows as they are stored, where the kernels look them up so; else decoded."""
    codes = module.stored if isinstance(module, Packed) else module.weight.detach()
    need(codes.dtype is torch.float32, f"a table of {codes.dtype}")
    found = stored(codes, None)
    if found.turn is not None or found.kind not in ("float32", "int8", "int4"):
        found = stored(codes.dense(), None)
    need(found.columns == width, f"rows of {found.columns} numbers where {width} are needed")
    return found


def _layer(module: Any, norm: nn.BatchNorm1d | None) -> tuple[Tensor, Tensor]:
    need(type(module) in (nn.Linear, PackedLinear), f"a layer is a {type(module).__name__}")
    weight = module.weight.detach()
    if norm is not None:
        need(norm.running_mean is not None and norm.num_features == len(weight), "a norm goes by its batch")
        return folded(weight, module.bias, norm)
    return weight, weight.new_zeros(len(weight)) if module.bias is None else module.bias.detach()


def _bias(module: Any) -> float:
    return 0.0 if module.bias is None else float(module.bias.detach()[0])


def floats_of(tensor: Tensor) -> Floats:
    need(tensor.dtype is torch.float32, f"numbers of {tensor.dtype}, and the kernels compute in float32")
    found: Floats = np.ascontiguousarray(tensor.detach().numpy())
    return found


def need(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ExtensionError(f"the kernels do not take this model: {otherwise}", name="kernels")
