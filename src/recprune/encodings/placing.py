"""Where codes take the place of a weight: which modules allow it, what stands there then, and under which name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from recprune.encodings.cell import CELLS, PackedCell
from recprune.encodings.codes import Codes
from recprune.encodings.convolution import CONVOLUTIONS, PackedConvolution
from recprune.encodings.faces import Packed, PackedEmbedding, PackedEmbeddingBag, PackedLinear
from recprune.encodings.recurrent import KINDS, PackedMatrix, PackedRecurrent, put
from recprune.errors import SurgeryError
from recprune.rewrites.open_attention import OpenAttention, can_open

__all__ = ["check", "face", "kind_of", "opened", "opened_several", "packed_weights", "parts_of", "refusal"]


PLAIN: tuple[type[nn.Module], ...] = (nn.Embedding, nn.EmbeddingBag, nn.Linear, *CONVOLUTIONS, *KINDS, *CELLS)
"""Modules of torch whose weights can be stored as codes."""


def parts_of(tensor: str) -> str:
    """The module that holds the codes of a tensor: "user.weight" -> "user.stored", as of the values of a sparse matrix;
    of a module with several weights "gru.weight_ih_l0" -> "gru.weight_ih_l0.stored"."""
    path, _, attribute = tensor.rpartition(".")
    return f"{path if attribute in ('weight', 'values') else tensor}.stored"


def packed_weights(model: nn.Module) -> Iterator[tuple[str, Packed]]:
    """The name of every weight that is stored as codes, as it was before, and what stands in its place."""
    for path, module in model.named_modules():
        if isinstance(module, Packed):
            yield path if isinstance(module, PackedMatrix) else f"{path}.weight", module


def kind_of(module: nn.Module) -> type[nn.Module]:
    """The class of a module, or of the one that it stands for."""
    return module.kind if isinstance(module, PackedConvolution | PackedRecurrent | PackedCell) else type(module)


def refusal(module: nn.Module, attribute: str = "weight") -> str:
    """Why a tensor of this module cannot be stored as codes; empty where it can."""
    kind: Any = next((k for k in PLAIN if isinstance(module, k)), None)
    attention = isinstance(module, OpenAttention) or can_open(module)
    if isinstance(module, PackedRecurrent | PackedCell) or (kind is not None and issubclass(kind, (*KINDS, *CELLS))):
        fits = attribute.startswith("weight_")
    else:
        fits = attribute == "in_proj_weight" if attention else kind is not None and attribute == "weight"
    if not fits:
        return (
            f"is {attribute!r} of a {type(module).__name__}, and only weights of Embedding, EmbeddingBag, Linear, "
            "Conv1d, Conv2d, Conv3d, GRU, LSTM, RNN, their cells and MultiheadAttention are"
        )
    if kind is not None and (type(module).forward is not kind.forward or "forward" in vars(module)):
        return f"belongs to a {type(module).__name__}, which has a forward of its own"
    if getattr(module, "max_norm", None) is not None:
        return "is scaled by max_norm when it is looked up: call the module on all ids once and set max_norm = None"
    if module._forward_hooks or module._forward_pre_hooks:
        return "belongs to a module with forward hooks, which would be lost: remove them first"
    return ""


def face(module: nn.Module, stored: Codes, attribute: str = "weight") -> nn.Module:
    """What takes the place of a module of which a weight is stored as codes; where several can be, it is that module
    itself once one is, and the others follow in place. Raises SurgeryError where nothing can."""
    if refusal(module, attribute):
        raise SurgeryError(f"a weight {refusal(module, attribute)}")
    made: nn.Module
    if isinstance(module, PackedRecurrent | nn.RNNBase):
        made = module if isinstance(module, PackedRecurrent) else PackedRecurrent(module)
        put(made, attribute, stored)
    elif isinstance(module, PackedCell | nn.RNNCellBase):
        made = module if isinstance(module, PackedCell) else PackedCell(module)
        put(made, attribute, stored)
    elif isinstance(module, OpenAttention | nn.MultiheadAttention):
        made = module if isinstance(module, OpenAttention) else OpenAttention(module)
        put(made, attribute, stored)
    elif isinstance(module, CONVOLUTIONS):
        made = PackedConvolution(stored, module)
    elif isinstance(module, nn.Linear):
        made = PackedLinear(stored, module.bias)
    elif isinstance(module, nn.EmbeddingBag):
        made = PackedEmbeddingBag(stored, module.padding_idx, module.mode, module.include_last_offset)
    else:
        made = PackedEmbedding(stored, getattr(module, "padding_idx", None))
    return made.train(module.training)


def opened(packed: Packed, weight: nn.Parameter) -> nn.Module:
    """torch's own module in the place of a face, with this weight."""
    made: Any
    if isinstance(packed, PackedConvolution):
        made = packed.opened()
    elif isinstance(packed, PackedLinear):
        made = nn.Linear(packed.in_features, packed.out_features, device="meta")
        made.bias = packed.bias
    elif isinstance(packed, PackedEmbeddingBag):
        rest: Any = {"mode": packed.mode, "include_last_offset": packed.include_last_offset}
        made = nn.EmbeddingBag(*packed.stored.shape, padding_idx=packed.padding_idx, device="meta", **rest)
    else:
        made = nn.Embedding(*packed.stored.shape, padding_idx=getattr(packed, "padding_idx", None), device="meta")
    made.weight = weight
    opened_: nn.Module = made.train(packed.training)
    return opened_


def opened_several(packed: PackedRecurrent | PackedCell, weights: Mapping[int, nn.Parameter]) -> nn.Module:
    """torch's own module in the place of one with several weights. weights: by the id of the codes."""
    made = packed.opened()
    for name in packed.names:
        held = getattr(packed, name)
        setattr(made, name, weights[id(held.stored)] if isinstance(held, PackedMatrix) else held)
    return made.train(packed.training)


def check(module: nn.Module) -> None:
    """Raise SurgeryError for a module whose codes do not fit what stands beside them."""
    if isinstance(module, PackedConvolution | PackedLinear | PackedRecurrent | PackedCell):
        module.check()
    held = getattr(module, "in_proj_weight", None)
    if isinstance(module, OpenAttention) and isinstance(held, PackedMatrix):
        high, inner = held.stored.shape[0], module.out_proj.in_features
        beside = [] if module.in_proj_bias is None else [len(module.in_proj_bias)]
        if {high, *beside} != {3 * inner}:
            raise SurgeryError(f"{high} packed rows of queries, keys and values beside {inner} numbers that leave them")
