"""across(): batch norms over the rows of all workers, as if one had them all."""

from __future__ import annotations

import contextlib

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

from recprune.training.instead import instead

__all__ = ["across"]


def across(model: nn.Module) -> contextlib.AbstractContextManager[None]:
    """Inside, every BatchNorm1d of the model that is being trained takes mean and variance over the rows that all
    workers have, and keeps the same running numbers on each (Ioffe and Szegedy 2015, algorithm 1)."""
    return instead((module for module in model.modules() if isinstance(module, nn.BatchNorm1d)), _normed)


def _normed(norm: nn.BatchNorm1d, x: Tensor) -> Tensor:
    if not norm.training:
        return nn.BatchNorm1d.forward(norm, x)
    axes = [axis for axis in range(x.dim()) if axis != 1]
    count = torch.full((1,), x.numel() // x.shape[1], dtype=x.dtype, device=x.device)
    dist.all_reduce(count)
    mean = _added(x.sum(axes)) / count
    shape = [-1 if axis == 1 else 1 for axis in range(x.dim())]
    centred = x - mean.view(shape)
    variance = _added(centred.square().sum(axes)) / count
    _remember(norm, mean.detach(), variance.detach(), count)
    out: Tensor = centred * torch.rsqrt(variance + norm.eps).view(shape)
    return out if norm.weight is None else out * norm.weight.view(shape) + norm.bias.view(shape)


def _added(mine: Tensor) -> Tensor:
    """The sum over all workers; so is its gradient."""
    total: Tensor = all_reduce(mine)  # type: ignore[no-untyped-call]
    return total


def _remember(norm: nn.BatchNorm1d, mean: Tensor, variance: Tensor, count: Tensor) -> None:
    """Running numbers; the variance is that of a sample, as torch keeps it."""
    if norm.running_mean is None or norm.running_var is None or norm.num_batches_tracked is None:
        return
    norm.num_batches_tracked += 1
    weight = 1.0 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean, weight)
    norm.running_var.lerp_(variance * (count / (count - 1)), weight)
