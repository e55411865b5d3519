"""pack: tensors of a trained model are stored as codes, in a new model that serves them without unpacking."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from recprune.encodings.cell import PackedCell
from recprune.encodings.codes import Codes
from recprune.encodings.faces import Packed, PackedLinear
from recprune.encodings.folded import FOLDED
from recprune.encodings.item_bytes import ItemBytes
from recprune.encodings.item_item import ItemItem, by_entries
from recprune.encodings.pairs import Pairs
from recprune.encodings.placing import face, opened, opened_several, packed_weights, refusal
from recprune.encodings.recurrent import PackedMatrix, PackedRecurrent
from recprune.encodings.spelled import Encoding, name_of, spelled
from recprune.errors import BudgetError, SurgeryError
from recprune.rewrites.fold_norm import foldable
from recprune.rewrites.open_attention import OpenAttention
from recprune.tracing.build import named_tensors
from recprune.tracing.comparing import difference
from recprune.tracing.inputs import Example, call
from recprune.tracing.kept_width import still

__all__ = [
    "check_same",
    "encodings_of",
    "folding",
    "pack",
    "pack_entries",
    "pack_weights",
    "packable",
    "put_codes",
    "replace_module",
    "storing",
    "unpack",
    "weight_to_pack",
]


def pack(
    model: nn.Module,
    encodings: Mapping[str, str],
    example: Example | None = None,
    *,
    used: Mapping[str, Tensor] | None = None,
) -> nn.Module:
    """A new model, in evaluation mode, in which some tensors are stored as codes; the old one is untouched.

    encodings: weight of an Embedding, EmbeddingBag, Linear, convolution, GRU, LSTM, RNN, a cell of these, or attention
    -> encoding, as {"item.weight": "int4_rows"}; a row is what a filter of a convolution holds. A weight that several
    modules share stays one set of codes. example: a small batch as for `survey`; the output is then compared with that
    of the model whose weights are the decoded ones. Codes are not trained: fine-tune first, or `unpack`. used: of
    tables how often each row is looked up, (rows,), for encodings that share something between rows (`product_rows`).
    Raises SurgeryError for a tensor that cannot be stored so, with the reason, and where outputs differ; BudgetError
    for an encoding that would take no fewer bytes; ExtensionError for one that there is not.

    >>> small = pack(model, {"user.weight": "int8_rows", "item.weight": "top_entries(k=8)"})
    """
    chosen = {name: replace(spelled(text), used=(used or {}).get(name)) for name, text in encodings.items()}
    tensors: dict[int, tuple[str, nn.Parameter]] = {}
    for name, encoding in chosen.items():
        tensor = weight_to_pack(model, name)
        if id(tensor) in tensors:
            raise SurgeryError(f"{name!r} and {tensors[id(tensor)][0]!r} are one tensor: name it once", tensor=name)
        _smaller(name, tensor, encoding)
        tensors[id(tensor)] = name, tensor
    out = copy.deepcopy(model, {key: tensor for key, (_, tensor) in tensors.items()}).eval()
    codes = {name: chosen[name].encode(tensor) for name, tensor in tensors.values()}
    for name, tensor in tensors.values():
        put_codes(out, tensor, codes[name])
    if example is not None:
        check_same(_decoded(model, {key: codes[name] for key, (name, _) in tensors.items()}), out, example)
    return out


def pack_entries(model: nn.Module, path: str, encoding: Encoding, example: Example | None = None) -> nn.Module:
    """A new model, in evaluation mode, in which the entries that stay of an item-item matrix are stored as codes.

    path: of the `ItemItem`. example: as for `pack`. Raises SurgeryError where outputs differ.
    """
    held, kind = model.get_submodule(path), encoding.kind
    if not isinstance(held, ItemItem) or not issubclass(kind, (ItemBytes, Pairs)):
        raise SurgeryError(
            f"{path!r} is a {type(held).__name__}; entries that stay are stored by item_bytes, pair_bits or pair_gaps "
            "alone"
        )
    codes = kind.of(held, **encoding.options) if issubclass(kind, Pairs) else kind.of(held)
    out = copy.deepcopy(model, {id(held): PackedLinear(codes, None)}).eval()
    if example is not None:
        check_same(copy.deepcopy(model, {id(held): codes.opened()}).eval(), out, example)
    return out


def pack_weights(
    model: nn.Module,
    encodings: Mapping[str, str],
    example: Example | None = None,
    *,
    used: Mapping[str, Tensor] | None = None,
) -> nn.Module:
    """`pack`, and `pack_entries` of the item-item matrices among them that are held by their entries. Without encodings
    the model itself."""
    rest = dict(encodings)
    for name in [n for n, text in encodings.items() if by_entries(text)]:
        path = name.rpartition(".")[0]
        if isinstance(model.get_submodule(path), ItemItem):
            model = pack_entries(model, path, spelled(rest.pop(name)), example)
    return pack(model, rest, example, used=used) if rest else model


def encodings_of(model: nn.Module) -> dict[str, str]:
    """Every weight that is packed -> how, as `pack_weights` takes it; of one that modules share the first name."""
    found: dict[int, tuple[str, Codes]] = {}
    for name, module in packed_weights(model):
        found.setdefault(id(module.stored), (name, module.stored))
    return {name: _written(codes) for name, codes in found.values()}


def _written(codes: Codes) -> str:
    kind = type(codes)
    return str(Encoding(name_of(kind), kind, kind.options(dict(codes.named_buffers()))))


def unpack(model: nn.Module) -> nn.Module:
    """A new model in which every packed weight is an ordinary one again, of the decoded numbers, and can be trained; an
    item-item matrix is one by its entries."""
    out = copy.deepcopy(model)
    weights: dict[int, nn.Parameter] = {}
    for packed in [m for m in out.modules() if isinstance(m, Packed)]:
        if isinstance(packed.stored, ItemBytes | Pairs) and isinstance(packed, PackedLinear) and packed.bias is None:
            replace_module(out, packed, packed.stored.opened().train(packed.training))
            continue
        if id(packed.stored) not in weights:
            weights[id(packed.stored)] = nn.Parameter(packed.weight)
        if not isinstance(packed, PackedMatrix):
            replace_module(out, packed, opened(packed, weights[id(packed.stored)]))
    for attention in [m for m in out.modules() if isinstance(m, OpenAttention)]:
        held: Any = attention.in_proj_weight
        if isinstance(held, PackedMatrix):
            del attention.in_proj_weight
            attention.in_proj_weight = weights[id(held.stored)]
    for several in [m for m in out.modules() if isinstance(m, PackedRecurrent | PackedCell)]:
        replace_module(out, several, opened_several(several, weights))
    return out


def packable(model: nn.Module) -> dict[str, str]:
    """Every matrix of floats that is learned, and the filters of convolutions -> why it cannot be packed; an empty
    reason where it can."""
    found = {name: tensor for name, tensor in model.named_parameters() if tensor.dim() > 1}
    return {name: _refusal(model, tensor) for name, tensor in found.items() if tensor.is_floating_point()}


def folding(model: nn.Module, inputs: tuple[Any, ...] | None = None) -> dict[str, str]:
    """What a plan takes to fold every batch norm that can go into the layer before it: its tensors -> "folded".

    inputs: of the model, which tell where a norm is not over the units of that layer.
    """
    norms = {path: model.get_submodule(path) for path in foldable(model, inputs)}
    return {f"{path}.{name}": FOLDED for path, norm in norms.items() for name in named_tensors(norm)}


def storing(model: nn.Module, encoding: str) -> dict[str, str]:
    """What `pack` takes to store, by one encoding, every matrix that can be packed and gets smaller by it; of "folded"
    what a plan takes (`folding`)."""
    if encoding == FOLDED:
        return folding(model)
    asked, out = spelled(encoding), {}
    for name, reason in packable(model).items():
        weight = model.get_parameter(name)
        width = weight.element_size()
        fits = not reason and math.prod(weight.shape[1:]) <= asked.kind.widest
        if fits and asked.stored_bytes(weight.shape, width) < weight.numel() * width:
            out[name] = encoding
    return out


def put_codes(model: nn.Module, weight: Tensor, codes: Codes) -> None:
    """Put codes in the place of a weight, in all modules of the model that hold it, in place."""
    for _, module, attribute in _holders(model, weight):
        made = face(module, codes, attribute)
        if made is not module:
            replace_module(model, module, made)


def replace_module(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put a module in every place where another stands, in place."""
    for parent in list(model.modules()):
        for name, child in parent._modules.items():
            if child is old:
                setattr(parent, name, new)


def weight_to_pack(model: nn.Module, name: str) -> nn.Parameter:
    """The parameter of that name. Raises SurgeryError where there is none, or none that can be packed, and why."""
    path, _, attribute = name.rpartition(".")
    held = dict(model.named_modules(remove_duplicate=False)).get(path)
    if name in dict(packed_weights(model)):
        raise SurgeryError(f"{name!r} is packed already; pack the model as it was before, or `unpack` it", tensor=name)
    tensor: nn.Parameter | None = None if held is None else held._parameters.get(attribute)
    if tensor is None:
        there = ", ".join(n for n, reason in packable(model).items() if not reason)
        raise SurgeryError(f"no parameter {name!r} in this model; packed can be: {there or 'none'}", tensor=name)
    reason = _refusal(model, tensor)
    if reason:
        raise SurgeryError(f"{name!r} cannot be packed: it {reason}", tensor=name)
    return tensor


def _refusal(model: nn.Module, tensor: Tensor) -> str:
    for path, module, attribute in _holders(model, tensor):
        reason = refusal(module, attribute)
        if reason:
            return f"{reason} ({path})" if path else reason
        if module is model:
            return "belongs to the model itself: put the module into another one that holds it"
    return ""


def _holders(model: nn.Module, tensor: Tensor) -> list[tuple[str, nn.Module, str]]:
    """Every place of a tensor: path, module, attribute."""
    held = [(path, m, name, p) for path, m in model.named_modules() for name, p in m._parameters.items()]
    return [(path, module, name) for path, module, name, parameter in held if parameter is tensor]


def _smaller(name: str, tensor: Tensor, encoding: Encoding) -> None:
    before = tensor.numel() * tensor.element_size()
    after = encoding.stored_bytes(tuple(tensor.shape), tensor.element_size())
    if after >= before:
        raise BudgetError(
            f"{encoding} would make {name!r} no smaller: {after:,} bytes, and {before:,} as it is, "
            f"{tuple(tensor.shape)} of {tensor.dtype}. Leave it as it is, or choose another encoding.",
            tensor=name,
            bytes=after,
        )


def _decoded(model: nn.Module, codes: Mapping[int, Codes]) -> nn.Module:
    """The model with decoded weights; codes: by the id of the weight."""
    memo: dict[int, Any] = {
        id(t): nn.Parameter(codes[id(t)].dense(), requires_grad=False)
        for t in named_tensors(model).values()
        if id(t) in codes
    }
    return copy.deepcopy(model, memo)


def check_same(
    reference: nn.Module,
    made: nn.Module,
    example: Example,
    what: str = "the packed model",
    of: str = "the one with the decoded weights. Something holds on to a weight that was packed",
) -> None:
    """Raise SurgeryError where what was made does not run or does not answer as the reference, to rounding."""
    floats = {t.dtype for t in named_tensors(reference).values() if t.is_floating_point()}
    tolerance = 1e-5 if all(t.itemsize >= 4 for t in floats) else 2e-2
    with still(reference), still(made):
        apart = difference(call(reference, example), _run(made, example))
    if not apart <= tolerance:
        raise SurgeryError(
            f"{what} does not equal {of}: relative difference {apart:.3g} where at most {tolerance:.3g} is allowed",
            difference=apart,
        )


def _run(packed: nn.Module, example: Example) -> Any:
    try:
        return call(packed, example)
    except Exception as error:
        raise SurgeryError(
            f"the packed model does not run: {type(error).__name__}: {error}. A packed module can be called and its "
            "`weight` read; forward does something else with one. Leave that one as it is."
        ) from error
