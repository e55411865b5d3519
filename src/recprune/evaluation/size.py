"""Size: parameters and bytes of a model as it stands."""

from __future__ import annotations

from torch import nn

from recprune.encodings.codes import Codes
from recprune.encodings.faces import PackedEmbedding, PackedEmbeddingBag

__all__ = ["size_of"]


def size_of(model: nn.Module) -> tuple[int, int, int]:
    """Feature parameters P (tables that are looked up by ids), network parameters Q (all others), bytes of all tensors.

    A tensor that stands in two places counts once; buffers count in the bytes only. A packed weight counts the entries
    that its codes stand for, and the bytes that they take.
    """
    modules = list(model.modules())
    tables = {id(m.weight) for m in modules if isinstance(m, nn.Embedding | nn.EmbeddingBag)}
    tables |= {id(m.stored) for m in modules if isinstance(m, PackedEmbedding | PackedEmbeddingBag)}
    counted = [(id(p), p.numel()) for p in model.parameters()]
    counted += [(id(m), m.entries) for m in modules if isinstance(m, Codes)]
    features = sum(entries for key, entries in counted if key in tables)
    tensors = [*model.parameters(), *model.buffers()]
    return features, sum(n for _, n in counted) - features, sum(t.numel() * t.element_size() for t in tensors)
