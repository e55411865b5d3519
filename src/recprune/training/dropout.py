"""Dropout: drawn quickly while a model is trained, and less of it after pruning."""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor, nn

from recprune.errors import TrainingError
from recprune.training.instead import instead

__all__ = ["quick_dropout", "rescale_dropout_"]

WORD = 1 << 16
"""Values of the 16 random bits that are drawn a number."""


def quick_dropout(model: nn.Module) -> contextlib.AbstractContextManager[None]:
    """Inside, every `nn.Dropout` of the model draws 16 random bits a number where torch draws a whole float: of the
    processor, and of torch's own generator, so that the same seed gives the same.

    A number leaves with probability p to the next 1 / 65,536, and those that stay are divided by the probability by
    which they do, so that means stay. On a graphics card, in place, or of a subclass, dropout is torch's.
    """
    return instead((m for m in model.modules() if type(m) is nn.Dropout and not m.inplace), _dropped)


def _dropped(module: nn.Dropout, numbers: Tensor) -> Tensor:
    leaving = round(module.p * WORD)
    if not module.training or not 0 < leaving < WORD or numbers.device.type != "cpu":
        return nn.Dropout.forward(module, numbers)
    size = numbers.numel()
    words = torch.empty((size + 3) // 4, dtype=torch.int64).random_(-(1 << 63), None).view(torch.int16)
    stays = words[:size].view(numbers.shape) >= leaving - WORD // 2
    return numbers * stays.to(numbers.dtype).mul_(WORD / (WORD - leaving))


def rescale_dropout_(model: nn.Module, share: float) -> None:
    """Multiply every dropout rate by sqrt(share), in place, before a pruned model is fine-tuned.

    share: of the network's numbers that stay, 0 to 1; of a plan, account.network_after / account.network_before. Han et
    al. 2015, section 3.3, take the connections of the layer behind each dropout; here one share, that of the whole
    network, holds for all of them. Raises TrainingError for a share outside 0..1.
    """
    if not 0 <= share <= 1:
        raise TrainingError(f"share is that of the network that stays, 0 to 1, not {share}", option="share")
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.p *= share**0.5
