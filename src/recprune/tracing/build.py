"""build: what a pass has shown becomes sites: plain data, named, with a cut for every tensor that gets shorter."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
from torch import Tensor, nn

from recprune.tracing.fields import fields_of_mappings
from recprune.tracing.places import Places
from recprune.tracing.rows import Rows
from recprune.tracing.seen import Seen
from recprune.tracing.site import Survey
from recprune.tracing.units import entries, units

__all__ = ["build", "fingerprint", "named_tensors"]


def named_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Every parameter and buffer once, by its first name."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def fingerprint(model: nn.Module) -> str:
    """A hash of the names, shapes and types of all tensors."""
    return _fingerprint(named_tensors(model))


def _fingerprint(tensors: Mapping[str, Tensor]) -> str:
    parts = [f"{n} {tuple(t.shape)} {t.dtype}" for n, t in sorted(tensors.items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def build(seen: Seen) -> Survey:
    """All sites of a pass, and the reason for every axis that stays whole."""
    tensors = named_tensors(seen.model)
    whole: dict[str, str] = {}
    tables = {lookup.table for lookup in seen.lookups}
    features = tables | _embeddings(seen.model)
    rows = Rows(seen, tensors, whole)
    axes = {(t, d): labels for t, axes in seen.axes.items() for d, labels in enumerate(axes.labels)}
    places = Places(seen.ledger, {key: labels for key, labels in axes.items() if key[1] or key[0] not in tables})
    averaged = Places(seen.ledger, seen.averages)
    ids = list(rows.ids())
    sites = [
        *rows.fields(places, averaged),
        *fields_of_mappings(seen, [*ids, *rows.numbered], places, averaged, whole),
        *ids,
        *units(seen, features, places, averaged, whole),
        *entries(seen, tensors),
    ]
    _say_why(seen, tables, tensors, whole)
    return Survey(
        tuple(sites),
        {n: tuple(t.shape) for n, t in tensors.items()},
        {n: t.element_size() for n, t in tensors.items()},
        whole,
        _fingerprint(tensors),
        frozenset(features),
        frozenset(n for n, _ in seen.model.named_buffers()),
        rows.pointers,
        seen.columns,
        {n: str(t.dtype).removeprefix("torch.") for n, t in tensors.items()},
    )


def _embeddings(model: nn.Module) -> set[str]:
    """Tables that hold one row an id, also where all rows are read at once."""
    kinds = (nn.Embedding, nn.EmbeddingBag)
    return {f"{n}.weight".lstrip(".") for n, m in model.named_modules() if isinstance(m, kinds)}


def _say_why(seen: Seen, tables: set[str], tensors: Mapping[str, Tensor], whole: dict[str, str]) -> None:
    for tensor, axes in seen.axes.items():
        for dim, labels in enumerate(axes.labels):
            if (tensor in tables and dim == 0) or f"{tensor}:{dim}" in whole:
                continue
            stays = np.ones(len(labels), dtype=np.bool_)
            stays[seen.ledger.depends(labels)[1]] = False
            if stays.any():
                whole[f"{tensor}:{dim}"] = _reason(seen, int(labels[stays.argmax()]))
    for group in seen.ledger.groups:
        reason = seen.ledger.reason(group.first) if group.kind == "head" else None
        if reason is not None:
            whole.setdefault(group.name, reason)
    for tensor in tensors:
        if tensor not in seen.axes and tensor not in tables and tensors[tensor].dim():
            whole[tensor] = "the example did not use it"


def _reason(seen: Seen, label: int) -> str:
    return (seen.ledger.reason(label) if label >= 0 else None) or "it meets an axis that stays whole"
