"""Shares of all items: what a softmax over a catalogue, and its gradient, are made of, in one pass over the scores."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from recprune.dispatch import kernels

__all__ = ["softmax_rows"]


def softmax_rows(
    scores: Tensor, scale: float, weights: Tensor, *, shift: Tensor | None = None, out: int = 1
) -> Tensor | None:
    """(rows,) log sum exp of scale * scores + shift; the scores (rows, columns) become weights[:, None] * softmax of
    that, in place. The first column, of the unknown item, is none of them and becomes 0; with out=0 all columns count.

    scores: contiguous float32 or bfloat16; weights (rows,); shift (columns,). A row with a score that is no
    number, or whose largest one is infinite, is not a number in the end; one of -inf alone has no shares. None, and
    nothing done, where no kernel does it: other types or devices, threads of torch that together are faster, or no
    kernel is compiled.
    """
    fit = scores.device.type == "cpu" and scores.is_contiguous() and torch.get_num_threads() <= THREADS
    native = kernels() if fit and scores.dtype in (torch.float32, torch.bfloat16) else None
    if native is None:
        return None
    logs = torch.empty(len(scores))
    numbers = scores.detach().view(torch.uint16) if scores.dtype is torch.bfloat16 else scores.detach()
    more = None if shift is None else F.pad(shift.detach().float(), (0, -scores.shape[1] % LANES)).numpy()
    native[0].softmax_rows(
        native[1], numbers.numpy(), scale, more, out, weights.float().contiguous().numpy(), logs.numpy()
    )
    return logs


LANES = 16
THREADS = 4
"""Threads of torch that together take as long as the kernel, which has one."""
