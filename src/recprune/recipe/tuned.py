"""tuned(): train a smaller model further, whatever its weights are stored as."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from recprune.data.dataset import Split
from recprune.encodings.faces import PackedEmbedding, PackedEmbeddingBag
from recprune.encodings.item_item import ItemItem
from recprune.evaluation.inputs import Renumber, example, ranks, row_inputs, user_inputs
from recprune.packing import encodings_of, pack_weights, unpack
from recprune.recipe.probing import code_counts
from recprune.recipe.restrict import restrict
from recprune.recipe.uses import uses_of
from recprune.rewrites.fold_norm import FoldedNorm, fold_norm, unfold_norm
from recprune.training.finetune import finetune
from recprune.training.fit import Fit, FitOptions, Progress
from recprune.training.rounded import rounded
from recprune.training.state import BeforeEpoch
from recprune.training.together import Alone
from recprune.training.validate import validation

__all__ = ["tuned"]

SEEN, BATCH = 1 << 14, 1 << 10
"""Rows that show mean and variance to a norm, and of them at a time."""


def tuned(
    model: nn.Module,
    split: Split,
    options: FitOptions,
    *,
    renumber: Renumber | None = None,
    teacher: nn.Module | None = None,
    progress: Progress | None = None,
    workers: Alone | None = None,
) -> tuple[nn.Module, Fit]:
    """`finetune`, of packed weights too: these are decoded, trained as they act once they are stored (`rounded`), and
    packed again by the same encodings, in a new model of as many bytes. Batch norms that were folded stand again while
    it is trained, and are folded in the end.

    A model without either is trained in place. Either way what comes back is on validation no worse than what
    was given: where no epoch betters it, that is the model itself. Arguments are those of `finetune`; raises what
    `fit` and `pack` raise.
    """
    workers, stored = workers or Alone(), encodings_of(model)
    how: dict[str, Any] = {"progress": progress, "renumber": renumber, "teacher": teacher, "workers": workers}
    norms = [path for path, module in model.named_modules() if isinstance(module, FoldedNorm)]
    if not stored and not norms:
        return model, finetune(model, split, options, **how)
    own = restrict(split, renumber or {})
    plain = unfold_norm(
        unpack(model), list(_batches(model, own, options.seed)) or None
    )  # of no rows nothing is learned
    used = _used(model, own)
    with _rounding(plain, stored, used) as steps:
        fit = finetune(plain, split, options, before_epoch=steps, **how)
    if fit.history and not fit.best_epoch:
        return model, fit
    small = pack_weights(fold_norm(plain, norms), stored, example(model, own), used=used)
    first, last = (validation(one, split, options, renumber) for one in (model, small))
    if first.name and first.sign * workers.told(last.value) < first.sign * workers.told(first.value):
        return model, replace(fit, best_epoch=0)
    return small, fit


def _batches(model: nn.Module, own: Split, seed: int) -> Iterator[tuple[Tensor, ...]]:
    """Inputs of rows, or of users, of train, drawn without repetition. own: in the codes of the model."""
    histories = own.train.histories() if ranks(model) else None
    there = np.arange(len(own.train)) if histories is None else np.flatnonzero(histories.counts())
    drawn = np.random.default_rng(seed).permutation(there)[:SEEN]
    for start in range(0, len(drawn), BATCH):
        part = drawn[start : start + BATCH]
        yield row_inputs(model, own.train, part) if histories is None else user_inputs(model, histories, part)


def _rounding(
    plain: nn.Module, stored: Mapping[str, str], used: Mapping[str, Tensor]
) -> AbstractContextManager[BeforeEpoch | None]:
    """Entries of items with items keep their numbers as they are learned, and so does what is solved."""
    known = {n: e for n, e in stored.items() if not isinstance(plain.get_submodule(n.rpartition(".")[0]), ItemItem)}
    return rounded(plain, known, used=used) if known and not hasattr(plain, "refit_") else contextlib.nullcontext()


def _used(model: nn.Module, own: Split) -> dict[str, Tensor]:
    """How often each row of a packed table is looked up. own: in the codes of the model."""
    packed = {path: m for path, m in model.named_modules() if isinstance(m, PackedEmbedding | PackedEmbeddingBag)}
    tables = {f"{path}.weight": table.num_embeddings for path, table in packed.items()}
    return uses_of(tables, {name: len(found) for name, found in own.vocabularies.items()}, code_counts(own))
