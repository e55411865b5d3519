"""The models of `benchmarks.sequences`: trained, pruned, packed and judged once, and kept under benchmarks/runs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.parts_sequences import Parts
from benchmarks.recipes_sequences import SETS, Recipe, SequenceData
from torch import nn

from recprune.artifact import load, save
from recprune.atomic import write_bytes
from recprune.evaluation.size import size_of
from recprune.packing import pack, storing
from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.recipe.pruned import Pruned, carry_out
from recprune.recipe.rating import Ratings, choose_by, rate
from recprune.recipe.rivals import from_scratch
from recprune.surgery import renumber
from recprune.training.options import FitOptions

__all__ = ["Stored", "judged", "kept", "measured", "one", "packed", "parts_of", "planned", "pruned", "scratch", "seeds"]

RUNS = Path(__file__).resolve().parent / "runs"
SEEDS = (0, 1, 2)
DEVICE = os.environ.get("RECPRUNE_DEVICE", "cpu")
Stored = tuple[nn.Module, Plan | None]
"""A model, and what it was pruned by."""


def seeds(recipe: Recipe) -> tuple[int, ...]:
    """Those that a model is trained by: one where nothing is drawn."""
    return SEEDS[:1] if recipe.options is None else SEEDS


@cache
def parts_of(name: str, valid: bool) -> Parts:
    """The parts, read once."""
    return SETS[name].parts(valid)


def kept(name: str, data: SequenceData, label: str, seed: int) -> Stored:
    """The model, trained before or now."""
    return stored(
        f"{name}-{label}-{seed}", lambda: (data.models[label].make(parts_of(name, False).learn, seed, DEVICE), None)
    )


def one(name: str, data: SequenceData, label: str, seed: int) -> dict[str, Any]:
    """A model trained and judged."""
    return judged(f"{name}-{label}-{seed}", partial(kept, name, data, label, seed), data, name)


def pruned(name: str, data: SequenceData, share: int, seed: int) -> Stored:
    """What recprune makes of the best model for a fraction of its bytes, fine-tuned for half as long as it was trained:
    `prune`, with one rating for all shares."""
    model, learn = kept(name, data, data.best, seed)[0], parts_of(name, False).learn

    def make() -> Stored:
        chosen = planned(name, share, seed)
        made = carry_out(model.to(DEVICE), learn, chosen, options=tuning(data, seed))
        return made.model.cpu(), made.plan

    return stored(f"{name}-1-{share}-{seed}", make)


def planned(name: str, share: int, seed: int) -> Plan:
    """The plan for a fraction of the bytes of the best model, of an earlier run or made now and kept."""
    path = RUNS / f"sequences-{name}-{seed}-plan-{share}.json"
    if not path.exists():
        data = SETS[name]
        model, learn = kept(name, data, data.best, seed)[0], parts_of(name, False).learn
        budget = Budget(bytes=size_of(model)[2] // share)
        chosen = choose_by(rated(name, seed), model.to(DEVICE), learn, budget)
        RUNS.mkdir(exist_ok=True)
        write_bytes(path, chosen.to_json().encode())
    return Plan.from_json(path.read_text(encoding="utf-8"))


@cache
def rated(name: str, seed: int) -> Ratings:
    """What every unit of the best model of a seed is worth."""
    data = SETS[name]
    model, learn = kept(name, data, data.best, seed)[0].to(DEVICE), parts_of(name, False).learn
    return rate(model, learn, Budget(bytes=1), tuning=tuning(data, seed), seed=seed)


def tuning(data: SequenceData, seed: int) -> FitOptions | None:
    """How what was pruned is fine-tuned. A step size near that of its training takes it far from where that ended: of
    Beauty's sasrec at a tenth, NDCG@10 on validation 0.0668 at a half, no better than without, 0.0670 at a seventh,
    0.0683 at a thirtieth, all of int2; 0.0702 at a fifteenth and 0.0693 at a thirtieth, of product_rows. Where there is
    much data and little is left it may be all of it: of Diginetica's gru4rec at a fiftieth, recall@20 on validation
    0.4126 at a fifteenth, 0.4278 at a quarter, 0.4299 at a half, 0.4305 as it was trained (whole 0.5103); at a
    twentieth 0.4969 at a quarter, 0.4963 at a half."""
    how = data.models[data.best].options
    return None if how is None else epochs_of(replace(how, lr=how.lr / data.slower, seed=seed), 0.5)


def scratch(name: str, data: SequenceData, share: int, seed: int) -> Stored:
    """The shapes and bits of the pruned model, new weights, as many epochs as training and fine-tuning together."""
    (model, chosen), options = pruned(name, data, share, seed), data.models[data.best].options
    if options is None or chosen is None:
        raise ValueError(f"{data.best} has no epochs")
    learn, whole = parts_of(name, False).learn, kept(name, data, data.best, seed)[0]
    small = Pruned(model.to(DEVICE), chosen, learn.vocabularies, renumber(chosen), None)
    how = epochs_of(replace(options, seed=seed + 100), 1.5)
    return from_scratch(whole.to(DEVICE), learn, small, options=how, seed=seed + 100).model.cpu(), chosen


def epochs_of(how: FitOptions, share: float) -> FitOptions:
    """A share of the epochs, all of them done."""
    epochs = max(1, int(how.epochs * share))
    return replace(how, epochs=epochs, patience=epochs)


def packed(name: str, data: SequenceData, bits: str, seed: int) -> Stored:
    """All matrices of the best model in so many bits, a scale a row, and nothing else."""
    model = kept(name, data, data.best, seed)[0]
    return pack(model, storing(model, f"{bits}_rows")), None


def judged(key: str, make: Callable[[], Stored], data: SequenceData, name: str) -> dict[str, Any]:
    """Metrics, bytes, seconds and every case's recall; read where it was measured before."""
    path = RUNS / f"sequences-{key}.json"
    if not path.exists():
        parts_of(name, False)
        begin = time.process_time()
        model, chosen = make()
        seconds = time.process_time() - begin
        found = {**measured(model, chosen, data, name), "seconds": seconds, "device": DEVICE}
        print(f"  {key}: {found['metrics']}, {found['bytes']:,} bytes, {seconds:.0f} s", flush=True)
        RUNS.mkdir(exist_ok=True)
        write_bytes(path, json.dumps(found).encode())
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


def measured(model: nn.Module, chosen: Plan | None, data: SequenceData, name: str) -> dict[str, Any]:
    """Metrics, bytes and every case's recall on test."""
    found = parts_of(name, False).scores(model.to(DEVICE), data.k, None if chosen is None else renumber(chosen))
    return {
        "metrics": {metric: found.mean[metric] for metric in data.metrics},
        "bytes": size_of(model)[2],
        "cases": np.round(found.parts[data.metrics[0]].values, 7).tolist(),
    }


def stored(key: str, make: Callable[[], Stored]) -> Stored:
    """A model of an earlier run, or made now and kept."""
    folder = RUNS / f"sequences-{key}"
    if not folder.exists():
        RUNS.mkdir(exist_ok=True)
        model, chosen = make()
        save(folder, model, plan=chosen)
    found = load(folder)
    return found.model, found.plan
