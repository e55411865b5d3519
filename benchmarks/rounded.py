"""The rival that needs no pruning: every matrix in 8 or 4 bits, a scale a row. What it costs in quality and bytes."""

from __future__ import annotations

import copy

import torch
from torch import nn

from recprune.tracing.build import named_tensors

__all__ = ["rounded"]


def rounded(model: nn.Module, bits: int) -> tuple[nn.Module, int]:
    """A copy whose matrices are rounded row by row to `bits`, symmetric around 0, and the bytes it would take.

    Row r holds round(w / s_r) * s_r with s_r = max|w| / (2^(bits-1) - 1); stored: bits an entry and 4 bytes a row.
    Vectors and buffers stay as they are.
    """
    out = copy.deepcopy(model)
    size = 0
    most = 2 ** (bits - 1) - 1
    for tensor in named_tensors(out).values():
        if tensor.dim() < 2 or not tensor.is_floating_point():
            size += tensor.numel() * tensor.element_size()
            continue
        rows = tensor.detach().reshape(len(tensor), -1)
        scale = rows.abs().amax(1, keepdim=True).clamp(min=1e-12) / most
        tensor.data.copy_((torch.round(rows / scale) * scale).reshape(tensor.shape))
        size += len(rows) * ((rows.shape[1] * bits + 7) // 8 + 4)
    return out, size
