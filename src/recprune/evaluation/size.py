"""Size: parameters and bytes of a model as it stands."""

from __future__ import annotations

from torch import nn

__all__ = ["size_of"]


def size_of(model: nn.Module) -> tuple[int, int, int]:
    """Feature parameters P (tables that are looked up by ids), network parameters Q (all others), bytes of all tensors.

    A tensor that stands in two places counts once; buffers count in the bytes only.
    """
    tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding | nn.EmbeddingBag)}
    features = sum(p.numel() for p in model.parameters() if id(p) in tables)
    network = sum(p.numel() for p in model.parameters() if id(p) not in tables)
    tensors = [*model.parameters(), *model.buffers()]
    return features, network, sum(t.numel() * t.element_size() for t in tensors)
