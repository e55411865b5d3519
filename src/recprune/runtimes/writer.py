"""Writer: a program while it is written, and what it takes of modules."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.encodings.faces import Packed, PackedEmbedding, PackedEmbeddingBag, PackedLinear
from recprune.errors import ExtensionError
from recprune.kernels.program import KINDS
from recprune.kernels.steps import Dot, Layer, Step
from recprune.kernels.stored import Stored, stored
from recprune.rewrites.fold_norm import folded

__all__ = ["Kind", "Writer", "bag_of", "bias_of", "check_plain", "floats_of", "layer_of", "need", "table_of"]

Kind = Literal["id", "ids", "number"]
Floats = NDArray[np.float32]
SMALL = 1 << 22
"""Numbers of a rotated table that is decoded, at most: 16 MB of float32."""


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
        weight, bias = layer_of(module, norm)
        need(weight.shape[1] == self.widths[slot], f"a layer takes {weight.shape[1]} of {self.widths[slot]} numbers")
        into = self.slot(len(weight))
        self.steps.append(Layer(slot, into, floats_of(weight), floats_of(bias), **how))
        return into

    def dot(self, slot: int, weight: Tensor) -> None:
        """weight · slot is added to the logit."""
        need(len(weight) == self.widths[slot], f"a layer takes {len(weight)} of {self.widths[slot]} numbers")
        self.steps.append(Dot(slot, floats_of(weight)))


def check_plain(model: nn.Module) -> None:
    """Raises ExtensionError for a model with hooks, or that is not on the processor."""
    for path, module in model.named_modules():
        odd = module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module)
        need(not odd, f"{path or 'the model'} has hooks, or a forward of its own")
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        need(tensor.device.type == "cpu", f"{name} is on {tensor.device}, and the kernels run on the processor")


def table_of(module: Any, width: int) -> Stored:
    """The rows of an embedding. Raises ExtensionError for another module, as all here do."""
    need(type(module) in (nn.Embedding, PackedEmbedding), f"a table is a {type(module).__name__}")
    need(getattr(module, "max_norm", None) is None, "a table has max_norm")
    return _rows(module, width)


def bag_of(module: Any, width: int) -> Stored:
    """The rows of a table of which means are taken, row 0 left out."""
    need(type(module) in (nn.EmbeddingBag, PackedEmbeddingBag), f"a table of bags is a {type(module).__name__}")
    plain = module.mode == "mean" and module.padding_idx == 0 and getattr(module, "max_norm", None) is None
    need(plain, "a table of bags takes no plain mean without row 0")
    return _rows(module, width)


def _rows(module: Any, width: int) -> Stored:
    """Rows as they are stored, where the kernels look them up so; else decoded. Rotated ones are decoded where that
    takes little memory, for turning a row takes longer than reading it."""
    codes = module.stored if isinstance(module, Packed) else module.weight.detach()
    need(codes.dtype is torch.float32, f"a table of {codes.dtype}")
    found = stored(codes, None)
    small = found.columns == 1 or found.columns * len(found.rows) <= SMALL
    if (found.turn is not None and small) or found.kind not in KINDS:
        found = stored(codes.dense(), None)
    need(found.columns == width, f"rows of {found.columns} numbers where {width} are needed")
    return found


def layer_of(module: Any, norm: nn.BatchNorm1d | None) -> tuple[Tensor, Tensor]:
    """Weight and bias of a linear layer, the norm behind it folded in."""
    need(type(module) in (nn.Linear, PackedLinear), f"a layer is a {type(module).__name__}")
    weight = module.weight.detach()
    if norm is not None:
        need(norm.running_mean is not None and norm.num_features == len(weight), "a norm goes by its batch")
        return folded(weight, module.bias, norm)
    return weight, weight.new_zeros(len(weight)) if module.bias is None else module.bias.detach()


def bias_of(module: Any) -> float:
    """The one number that a layer to the logit adds."""
    return 0.0 if module.bias is None else float(module.bias.detach()[0])


def floats_of(tensor: Tensor) -> Floats:
    """Its numbers, one behind the other."""
    need(tensor.dtype is torch.float32, f"numbers of {tensor.dtype}, and the kernels compute in float32")
    found: Floats = np.ascontiguousarray(tensor.detach().numpy())
    return found


def need(holds: bool, otherwise: str) -> None:
    """Raise ExtensionError where something does not hold."""
    if not holds:
        raise ExtensionError(f"the kernels do not take this model: {otherwise}", name="kernels")
