"""Weights that are divided by their spectral norm: of fewer rows or columns the norm would be another."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from torch.nn.utils import parametrizations
from torch.nn.utils.spectral_norm import SpectralNorm

from recprune.tracing.seen import Seen

__all__ = ["freeze_spectral"]


def freeze_spectral(seen: Seen) -> None:
    """Keep both axes of every weight under `spectral_norm` whole: its vectors are those of the whole matrix (Miyato et
    al. 2018, algorithm 1), and are not found anew in evaluation."""
    for path, tensor in _divided(seen.model):
        for labels in seen.axes[tensor].labels if tensor in seen.axes else ():
            seen.ledger.freeze(labels, f"spectral_norm divides it by a norm of all of it (in {path})")


def _divided(model: nn.Module) -> Iterator[tuple[str, str]]:
    """(module, tensor), of parametrizations and of the hook that there was before them."""
    for path, module in model.named_modules():
        if isinstance(module, parametrizations._SpectralNorm):
            of = path.rpartition(".")[0]
            yield of.partition(".parametrizations.")[0], f"{of}.original"
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, SpectralNorm):
                yield path, f"{path}.{hook.name}_orig" if path else f"{hook.name}_orig"
