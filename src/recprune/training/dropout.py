"""Dropout after pruning: a smaller network overfits less and needs less of it."""

from __future__ import annotations

from torch import nn

from recprune.errors import TrainingError

__all__ = ["rescale_dropout_"]


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
