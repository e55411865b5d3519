"""A batch norm in evaluation multiplies and adds constants: they go into the layer before it."""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = ["fold_norm", "folded"]


def fold_norm(model: nn.Module) -> nn.Module:
    """A new model, in evaluation mode, with the same answers up to rounding, in which every BatchNorm1d that directly
    follows a Linear of the same nn.Sequential has gone into it (Jacob et al. 2018, section 3.2).

    A layer or a norm that stands in another place too, or has hooks, stays as it is; so does a norm without running
    means, which goes by its batch.
    """
    out = copy.deepcopy(model).eval()
    places = [child for module in out.modules() for child in module._modules.values()]
    for module in out.modules():
        if type(module) is not nn.Sequential:
            continue
        for one, two in pairwise(list(module._modules)):
            layer, norm = module._modules[one], module._modules[two]
            if type(layer) is nn.Linear and type(norm) is nn.BatchNorm1d and _alone(layer, places) and _fixed(norm):
                made = nn.Linear(layer.in_features, layer.out_features, device="meta", dtype=layer.weight.dtype)
                weight, bias = folded(layer.weight, layer.bias, norm)
                made.weight, made.bias = nn.Parameter(weight), nn.Parameter(bias)
                module._modules[one], module._modules[two] = made.eval(), nn.Identity()
    return out


def folded(weight: Tensor, bias: Tensor | None, norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """Weight (out, in) and bias (out,) of a layer with the norm behind it, made in float64."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    mean, scale = norm.running_mean.double(), (norm.running_var.double() + norm.eps).rsqrt()
    gain = scale if norm.weight is None else scale * norm.weight.detach().double()
    shift = torch.zeros_like(mean) if norm.bias is None else norm.bias.detach().double()
    before = torch.zeros_like(mean) if bias is None else bias.detach().double()
    wide = weight.detach().double() * gain.unsqueeze(1)
    return wide.to(weight.dtype), ((before - mean) * gain + shift).to(weight.dtype)


def _alone(layer: nn.Module, places: list[nn.Module | None]) -> bool:
    hooks = layer._forward_hooks or layer._forward_pre_hooks or "forward" in vars(layer)
    return not hooks and sum(place is layer for place in places) == 1


def _fixed(norm: nn.BatchNorm1d) -> bool:
    return norm.running_mean is not None and not (norm._forward_hooks or norm._forward_pre_hooks)
