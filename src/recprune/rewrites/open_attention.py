"""nn.MultiheadAttention with its widths taken from its tensors, so that heads and dims can leave it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["OpenAttention", "can_open", "open_attention", "opened_attention"]


class OpenAttention(nn.Module):
    """The same parameters under the same names and the same answers as nn.MultiheadAttention (Vaswani et al. 2017,
    section 3.2.2), which writes one width for all its axes; here each axis has its own.

    in_proj_weight: (3 * inner, width) queries, keys and values one below the other; out_proj: (width, inner). The inner
    width is `num_heads` heads of `head_dim`; scores are divided by the square root of `scale_dim`.
    forward as there: query, key, value (batch, length, width), or length first where `batch_first` is False.
    """

    def __init__(self, of: nn.MultiheadAttention) -> None:
        super().__init__()
        self.num_heads, self.batch_first, self.dropout = of.num_heads, of.batch_first, of.dropout
        self.embed_dim, self.head_dim, self.scale_dim = of.embed_dim, of.head_dim, of.head_dim
        self.in_proj_weight, self.in_proj_bias, self.out_proj = of.in_proj_weight, of.in_proj_bias, of.out_proj
        self._qkv_same_embed_dim = False  # keeps nn.TransformerEncoderLayer off its fused path
        self.training = of.training

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        lone = query.dim() == 2
        parts = [x.unsqueeze(0 if self.batch_first else 1) if lone else x for x in (query, key, value)]
        parts = [x if self.batch_first else x.transpose(0, 1) for x in parts]
        bias = self.in_proj_bias.view(3, -1) if self.in_proj_bias is not None else (None, None, None)
        held: Any = getattr(self.in_proj_weight, "held", None)  # where it is stored as codes
        found: Tensor = self.in_proj_weight if held is None else held()
        weight = found.view(3, -1, found.shape[1])
        q, k, v = (
            F.linear(x, weight[i], bias[i]).view(*x.shape[:2], self.num_heads, self.head_dim).transpose(1, 2)
            for i, x in enumerate(parts)
        )
        scores = q @ k.transpose(2, 3) / self.scale_dim**0.5
        scores = _masked(scores, attn_mask, key_padding_mask)
        hiding = attn_mask is not None or key_padding_mask is not None
        safe = hiding and not need_weights  # as there: a row that may look nowhere is 0 then, and NaN otherwise
        shares = torch.ops.aten._safe_softmax(scores, -1) if safe else torch.softmax(scores, -1)
        shares = F.dropout(shares, self.dropout, self.training)
        out = self.out_proj((shares @ v).transpose(1, 2).flatten(2))
        out = out if self.batch_first else out.transpose(0, 1)
        weights = (shares.mean(1) if average_attn_weights else shares) if need_weights else None
        if lone:
            out = out.squeeze(0 if self.batch_first else 1)
            weights = weights.squeeze(0) if weights is not None else None
        return out, weights


def open_attention(model: nn.Module) -> nn.Module:
    """A copy in which every nn.MultiheadAttention with one width for queries, keys and values is an OpenAttention.

    The model itself where there is none; parameters are shared with it, not copied.
    """
    if not any(can_open(module) for module in model.modules()):
        return model
    memo: dict[int, object] = {id(t): t for t in [*model.parameters(), *model.buffers()]}
    for module in model.modules():
        if can_open(module):
            memo[id(module)] = OpenAttention(module)  # type: ignore[arg-type]
    return copy.deepcopy(model, memo)


def opened_attention(model: nn.Module, paths: Sequence[str]) -> nn.Module:
    """The same for the modules at those paths, in place; the model itself where it is one of them.

    Raises ValueError for a path where no such module stands.
    """
    for path in paths:
        module = model.get_submodule(path)
        if isinstance(module, OpenAttention):
            continue
        if not can_open(module):
            raise ValueError(f"{path!r} is a {type(module).__name__}, not an nn.MultiheadAttention to open")
        made = OpenAttention(module)  # type: ignore[arg-type]
        for parent in list(model.modules()):
            for name, child in parent._modules.items():
                if child is module:
                    setattr(parent, name, made)
        model = made if module is model else model
    return model


def can_open(module: nn.Module) -> bool:
    """Whether a module is torch's attention with one width for queries, keys and values."""
    if type(module) is not nn.MultiheadAttention:
        return False
    return module.in_proj_weight is not None and module.bias_k is None and not module.add_zero_attn


def _masked(scores: Tensor, mask: Tensor | None, padding: Tensor | None) -> Tensor:
    if mask is not None:
        mask = mask.view(len(scores), -1, *mask.shape[1:]) if mask.dim() == 3 else mask
        scores = scores.masked_fill(mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    if padding is not None:
        padding = padding[:, None, None, :]
        scores = scores.masked_fill(padding, -torch.inf) if padding.dtype == torch.bool else scores + padding
    return scores
