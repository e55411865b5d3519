"""Recommenders of lists, as they are and in a fraction of their bytes: `python -m benchmarks.lists [NAME] ...`.

Settings were chosen on validation (benchmarks/recipes_lists.py); models are judged on test once each, by one evaluator,
the peers too. What was measured is kept under benchmarks/runs, so that an interrupted run goes on.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.recipes_lists import SETS, ListData
from benchmarks.result import write_result
from benchmarks.served import served, told
from torch import nn

from recprune.artifact import load, save
from recprune.atomic import write_bytes
from recprune.data.dataset import Split
from recprune.evaluation.evaluate import evaluate
from recprune.evaluation.size import size_of
from recprune.packing import pack
from recprune.planning.budget import Budget
from recprune.recipe.prune import prune
from recprune.recipe.pruned import Pruned

__all__ = ["main"]

RUNS = Path(__file__).resolve().parent / "runs"
SEEDS = (0, 1, 2)
SHARES = (5, 10, 20, 50)


def main(names: list[str]) -> None:
    """Measure the sets of those names, all where none is named."""
    for name in names or list(SETS):
        data = SETS[name]
        before(name, data)
        after(name, data)


def before(name: str, data: ListData) -> None:
    """The models as they are, beside what is published."""
    split, k = data.split(False), data.k
    rows: list[list[object]] = [[f"published: {who}", None, None, *both, None, None] for who, *both in data.published]
    for label in data.models:
        found = [one(name, data, split, label, seed) for seed in seeds(data, label)]
        rows.append(
            [label, *cells(found, k), spread(found, k), round(float(np.mean([f["seconds"] for f in found])), 1)]
        )
    path = write_result(
        f"lists_{name}",
        f"{data.title}: recommenders before pruning",
        ["model", "seeds", "bytes", f"recall@{k}", f"ndcg@{k}", f"spread of recall@{k}", "seconds of the processor"],
        rows,
        notes=[
            f"All {split.train.n_items - 1:,} items are ranked for all users with a test item, those of train left out",
            *data.notes,
        ],
        data=[name],
        seeds=SEEDS,
        command=f"python -m benchmarks.lists {name}",
    )
    print(f"written: {path}", flush=True)


def seeds(data: ListData, label: str) -> tuple[int, ...]:
    """Those that a model is trained by."""
    return SEEDS if label in data.drawn else SEEDS[:1]


def after(name: str, data: ListData) -> None:
    """The best model in a fraction of its bytes, beside its rivals."""
    split, k = data.split(False), data.k
    base = [one(name, data, split, data.best, seed) for seed in seeds(data, data.best)]
    dense = [kept(name, data, split, data.best, seed) for seed in seeds(data, data.best)]
    rows: list[list[object]] = [[data.best, *cells(base, k), None, None]]
    fast: dict[str, nn.Module] = {data.best: dense[0]}
    for share in SHARES:
        label, found = f"1/{share}", []
        for seed, model in zip(seeds(data, data.best), dense, strict=True):
            made = stored(f"{name}-{label[2:]}-{seed}", partial(smaller, model, split, share, seed))
            found.append(judged(f"{name}-small-{share}-{seed}", lambda m=made: m, split, k))
            fast.setdefault(label, made)
        rows.append([label, *cells(found, k), *lost(base, found, k)])
    for bits in ("int8", "int4"):
        found = [
            judged(f"{name}-{bits}-{s}", partial(packed, m, bits), split, k)
            for s, m in zip(seeds(data, data.best), dense, strict=True)
        ]
        rows.append([f"{bits} alone", *cells(found, k), *lost(base, found, k)])
    speed = served(fast, split, k)
    rows = [[*row, *told(speed.get(str(row[0])))] for row in rows]
    path = write_result(
        f"lists_small_{name}",
        f"{data.title}: {data.best} in a fraction of its bytes",
        [
            "model",
            "seeds",
            "bytes",
            f"recall@{k}",
            f"ndcg@{k}",
            "recall minus whole, %",
            "standard error, %",
            "ms a request",
            "served by",
            "ms by torch",
        ],
        rows,
        notes=[
            "Standard errors are of one seed's paired difference over all users, in the mean over the seeds",
            "A request: the list of one user, medians by the clock, all in turn; served by: the fastest way that lists "
            "the same, which `recprune serve` takes after `recprune bench`",
        ],
        data=[name],
        seeds=SEEDS,
        command=f"python -m benchmarks.lists {name}",
    )
    print(f"written: {path}", flush=True)


def smaller(model: nn.Module, split: Split, share: int, seed: int) -> Pruned:
    """What recprune makes of the model for a fraction of its bytes."""
    return prune(model, split, budget=Budget(bytes=size_of(model)[2] // share), seed=seed)


def packed(model: nn.Module, bits: str) -> nn.Module:
    """All large tensors in so many bits, a scale a row."""
    names = [n for n, p in model.named_parameters() if p.dim() == 2]
    return pack(model, dict.fromkeys(names, f"{bits}_rows"))


def kept(name: str, data: ListData, split: Split, label: str, seed: int) -> nn.Module:
    """The model, trained before or now."""
    return stored(f"{name}-{slug(label)}-{seed}", lambda: data.models[label](split, seed))


def one(name: str, data: ListData, split: Split, label: str, seed: int) -> dict[str, Any]:
    """A model trained and judged."""
    return judged(f"{name}-{slug(label)}-{seed}", partial(kept, name, data, split, label, seed), split, data.k)


def judged(key: str, make: Callable[[], nn.Module], split: Split, k: int) -> dict[str, Any]:
    """Metrics, bytes, seconds and every user's recall; read where it was measured before."""
    path = RUNS / f"lists-{key}.json"
    if not path.exists():
        begin = time.process_time()
        model = make()
        seconds = time.process_time() - begin
        found = evaluate(model, split, "test", k=k)
        measured = {
            "metrics": {name: found.mean[name] for name in (f"recall@{k}", f"ndcg@{k}")},
            "bytes": size_of(model)[2],
            "seconds": seconds,
            "users": np.round(found.parts[f"recall@{k}"].values, 7).tolist(),
        }
        print(f"  {key}: {measured['metrics']}, {measured['bytes']:,} bytes, {seconds:.0f} s", flush=True)
        write_bytes(path, json.dumps(measured).encode())
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


def stored(key: str, make: Callable[[], nn.Module | Pruned]) -> nn.Module:
    """A model of an earlier run, or made now and kept."""
    folder = RUNS / f"lists-{key}"
    if not folder.exists():
        RUNS.mkdir(exist_ok=True)
        done = make()
        model, chosen = (done.model, done.plan) if isinstance(done, Pruned) else (done, None)
        save(folder, model, plan=chosen)
    return load(folder).model


def slug(label: str) -> str:
    """The label as a name of a file."""
    return "".join(c if c.isalnum() else "-" for c in label)


def cells(found: list[dict[str, Any]], k: int) -> list[object]:
    """Seeds, bytes, and both metrics in the mean."""
    means = [round(float(np.mean([f["metrics"][m] for f in found])), 4) for m in (f"recall@{k}", f"ndcg@{k}")]
    return [len(found), round(float(np.mean([f["bytes"] for f in found]))), *means]


def spread(found: list[dict[str, Any]], k: int) -> float | None:
    """Standard deviation of recall over the seeds."""
    if len(found) < 2:
        return None
    return round(float(np.std([f["metrics"][f"recall@{k}"] for f in found], ddof=1)), 5)


def lost(base: list[dict[str, Any]], found: list[dict[str, Any]], k: int) -> list[object]:
    """Percent of recall more than the whole model has, and the standard error of that."""
    apart, error = [], []
    for whole, small in zip(base, found, strict=True):
        mean = whole["metrics"][f"recall@{k}"]
        difference = np.array(small["users"]) - np.array(whole["users"])
        apart.append(100 * difference.mean() / mean)
        error.append(100 * difference.std(ddof=1) / len(difference) ** 0.5 / mean)
    return [round(float(np.mean(apart)), 2), round(float(np.mean(error)), 2)]


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
