"""Products of rows that are mostly zeros, as histories are: only the columns of what is there are read."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from recprune.dispatch import kernels
from recprune.encodings.watched import is_graph
from recprune.errors import DataError

__all__ = ["columns_of_rows", "is_plain", "linear", "sparse_product"]

SHARE = 16
"""One in so many numbers may be there: of more, a dense product is made as fast."""

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def linear(layer: nn.Module, x: Tensor) -> Tensor:
    """layer(x): (batch, columns) -> (batch, rows), up to the order of sums. A plain Linear without bias multiplies by
    `sparse_product` where nothing but the numbers is asked for: no gradient, no graph, no hook."""
    plain = not is_graph() and type(layer) is nn.Linear and layer.bias is None and not _is_hooked(layer)
    found = sparse_product(x, layer.weight) if plain else None  # type: ignore[arg-type]
    return layer(x) if found is None else found


def sparse_product(x: Tensor, weight: Tensor) -> Tensor | None:
    """x @ weight.T for x (batch, columns) and weight (rows, columns): (batch, rows), sums in float32 from the lowest
    column to the highest. None where it is not made here: more than one number in 16 is not 0, other types or devices,
    a gradient is wanted, operations are watched or written down, or no kernel is compiled.
    """
    fit = is_plain(x) and is_plain(weight) and x.shape[1] == weight.shape[1] and weight.is_contiguous()
    native = kernels() if fit else None
    if native is None:
        return None
    out = x.new_empty(len(x), len(weight))
    parts = (part.detach().numpy() for part in (x.contiguous(), weight))
    done = native[0].sparse_product(native[1], *parts, x.numel() // SHARE, out.numpy())
    return out if done else None


def columns_of_rows(matrix: Tensor) -> Tensor:
    """(columns, rows) of a (rows, columns) matrix: a float32 copy. Raises DataError for numbers that are not finite."""
    rows = matrix.detach().cpu().float().contiguous()
    native = kernels()
    if native is None:
        out, fine = rows.T.contiguous(), bool(torch.isfinite(rows).all())
    else:
        room = np.empty((rows.shape[1], len(rows)), dtype=np.float32)  # which asks for large pages
        fine, out = native[0].columns_of_rows(rows.numpy(), room), torch.from_numpy(room)
    if not fine:
        raise DataError("a matrix is damaged: not all its numbers are finite")
    return out


def _is_hooked(layer: nn.Module) -> bool:
    everywhere = nn.modules.module._global_forward_hooks, nn.modules.module._global_forward_pre_hooks
    return any(getattr(layer, name) for name in _HOOKS) or any(everywhere)


def is_plain(matrix: Tensor) -> bool:
    """Whether a matrix can be taken as its numbers: one of torch's own, of float32 on the processor, of which no
    gradient is wanted, while nobody looks at the operations of torch or has them mean something else.
    """
    own = type(matrix) in (Tensor, nn.Parameter) and matrix.layout is torch.strided and matrix.dim() == 2
    wanted = torch.is_grad_enabled() and matrix.requires_grad
    modes = torch._C._len_torch_dispatch_stack() or torch._C._len_torch_function_stack()
    changed = torch.is_autocast_enabled("cpu") or torch._C._functorch.peek_interpreter_stack() is not None
    numbers = own and matrix.dtype is torch.float32 and matrix.device.type == "cpu" and not wanted
    return bool(numbers and not (is_graph() or modes or changed))
