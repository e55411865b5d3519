"""Pruned models beside their honest rivals: `python -m benchmarks.pruned [ease] [deepfm] [caser]`.

Each bench writes results/pruned_NAME.json. Plans are made on training and validation data; the test part is read once
a model, after everything was chosen. A seed that was measured is kept under benchmarks/runs, so that a bench that was
stopped goes on with the next one.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from benchmarks.recipes import Recipe, beauty_caser, frappe_deepfm, ml100k_ease
from benchmarks.result import write_result
from benchmarks.rounded import rounded
from torch import nn

from recprune.atomic import write_bytes
from recprune.data.dataset import Split
from recprune.evaluation.compare import compare
from recprune.evaluation.comparison import Comparison
from recprune.planning.budget import Budget
from recprune.recipe.prune import plan
from recprune.recipe.pruned import Pruned, carry_out
from recprune.recipe.rivals import by_chance, from_scratch
from recprune.tracing.site import Kind
from recprune.training.fit import fit

__all__ = ["main"]


@dataclass(frozen=True, slots=True)
class Bench:
    """A dense recipe, and how it is pruned: budget, rule, fine-tuning; metrics to show; the share that may be lost."""

    title: str
    recipe: Callable[[int], Recipe]
    seeds: tuple[int, ...]
    budget: Budget
    rule: str
    epochs: int
    lr: float
    k: int
    metrics: tuple[str, ...]
    wanted: str
    data: str


RUNS = Path(__file__).resolve().parent / "runs"
NETWORK = frozenset({Kind.DIM, Kind.NEURON, Kind.FILTER})
BENCHES = {
    "ease": Bench(
        "EASE on ml-100k: 6 % of the entries kept, refitted on what stays",
        lambda _: ml100k_ease(),
        (0,),
        Budget(0.94),
        "mse_increase",
        1,
        1e-3,
        20,
        ("recall@20", "ndcg@20", "precision@20", "f1@20"),
        "recall@20 within 1 % of dense",
        "ml-100k",
    ),
    "deepfm": Bench(
        "DeepFM on Frappe: half of all bytes removed",
        frappe_deepfm,
        (0, 1, 2),
        Budget(0.51, kinds=NETWORK, keep=0.4),
        "mse_increase",
        12,
        2e-3,
        20,
        ("auc", "logloss"),
        "AUC within 0.001 of dense",
        "frappe",
    ),
    "caser": Bench(
        "Caser on Amazon Beauty: filters and dims pruned to half the network",
        beauty_caser,
        (0, 1, 2),
        Budget(0.5, kinds=NETWORK, keep=0.5),
        "mse_increase",
        12,
        2e-3,
        10,
        ("hit@10", "ndcg@10"),
        "HR@10 within 3 % of dense",
        "amazon-beauty-seq",
    ),
}


def main(names: list[str]) -> None:
    """Run the benches of those names, all where none is named."""
    for name in names or list(BENCHES):
        bench = BENCHES[name]
        runs = [resumed(name, bench, seed) for seed in bench.seeds]
        rows = [row(bench, runs, side) for side in runs[0].sides]
        columns = ["model", "parameters P", "Q", "bytes", "of dense", *bench.metrics]
        columns += [f"{bench.metrics[0]} minus dense", "standard error", "ms a request", "ms a 1,000"]
        path = write_result(
            f"pruned_{name}",
            bench.title,
            columns,
            rows,
            notes=notes(bench, runs),
            data=[bench.data],
            seeds=bench.seeds,
            command=f"python -m benchmarks.pruned {name}",
        )
        print(f"written: {path}")


def resumed(name: str, bench: Bench, seed: int) -> Comparison:
    """What was measured with these very settings, or measured now."""
    how = (bench.budget.factor, bench.budget.keep, sorted(bench.budget.kinds), bench.rule, bench.epochs, bench.lr)
    settings = zlib.crc32(repr(how).encode())
    path = RUNS / f"{name}-{seed}-{settings:08x}.json"
    if not path.exists():
        found = measure(bench, seed)
        RUNS.mkdir(exist_ok=True)
        write_bytes(path, found.to_json().encode())
    return Comparison.from_json(path.read_text(encoding="utf-8"))


def measure(bench: Bench, seed: int) -> Comparison:
    """Train, prune, train the rivals, judge all on test."""
    model, split, options = bench.recipe(seed)
    dense = fit(model, split, options)
    tuning = replace(options, epochs=bench.epochs, lr=bench.lr, schedule="linear", patience=bench.epochs)
    chosen = plan(model, split, budget=bench.budget, rule=bench.rule, seed=seed)
    pruned = carry_out(model, split, chosen, options=tuning)
    chance = by_chance(model, split, pruned, options=tuning, seed=seed)
    work = max(len(dense.history), 1) + (len(pruned.fit.history) if pruned.fit else 0)
    long = replace(options, epochs=work, schedule="linear", patience=work, seed=seed + 100)
    scratch = from_scratch(model, split, pruned, options=long, seed=seed + 100)
    found = judged(
        model, split, {"after": pruned, "random units": chance, "same size from scratch": scratch}, bench, seed
    )
    return found


def judged(model: nn.Module, split: Split, made: dict[str, Pruned], bench: Bench, seed: int) -> Comparison:
    """Everything beside the dense model, and the dense and the pruned one in 8 and 4 bits."""
    rivals = {name: one.model for name, one in made.items() if name != "after"}
    sizes = {}
    for bits in (8, 4):
        for name, one in (("dense", model), ("pruned", made["after"].model)):
            if any(p.dim() > 1 for p in one.parameters()):
                rivals[f"{name}, {bits} bits a row"], sizes[f"{name}, {bits} bits a row"] = rounded(one, bits)
    codes = {name: one.renumber for name, one in made.items() if one.renumber}
    found = compare(
        model,
        made["after"].model,
        split,
        rivals=rivals,
        plan=made["after"].plan,
        renumber=codes,
        k=bench.k,
        seed=seed,
        threads=1,
    )
    sides = {
        n: replace(s, bytes=sizes.get(n, s.bytes), request=s.request if n not in sizes else None)
        for n, s in found.sides.items()
    }
    sides = {n: replace(s, thousand=s.thousand if n not in sizes else None) for n, s in sides.items()}
    return replace(found, sides=sides)


def row(bench: Bench, runs: list[Comparison], side: str) -> list[object]:
    """Means over the seeds; the standard error is of the paired difference, averaged over the seeds."""
    sides = [run.sides[side] for run in runs]
    size = float(np.mean([s.bytes for s in sides]))
    dense = float(np.mean([run.before.bytes for run in runs]))
    cells: list[object] = [{"before": "dense", "after": "pruned"}.get(side, side)]
    cells += [round(float(np.mean([s.features for s in sides]))), round(float(np.mean([s.network for s in sides])))]
    cells += [round(size), round(size / dense, 3)]
    cells += [round(float(np.mean([s.metrics[m] for s in sides])), 5) for m in bench.metrics]
    if side == "before":
        cells += [None, None]
    else:
        apart = [run.difference(bench.metrics[0], side) for run in runs]
        cells += [
            round(float(np.mean([d.value for d in apart])), 5),
            round(float(np.mean([d.standard_error for d in apart])), 5),
        ]
    for speeds in ([s.request for s in sides], [s.thousand for s in sides]):
        cells.append(
            round(float(np.median([v.median for v in speeds])), 3) if all(v is not None for v in speeds) else None
        )
    return cells


def notes(bench: Bench, runs: list[Comparison]) -> list[str]:
    """What to know before reading the table."""
    first = bench.metrics[0]
    each = ", ".join(f"{run.difference(first).value:+.5f}" for run in runs)
    kinds = ", ".join(sorted(bench.budget.kinds)) if len(bench.budget.kinds) < len(Kind) else "all kinds"
    return [
        f"To reach: {bench.wanted}",
        f"{first} of the pruned model minus that of the dense one, seed by seed: {each}",
        f"Rule {bench.rule}, factor {bench.budget.factor:g}, {kinds}, {bench.budget.keep:g} of each site stays",
        "From scratch: the same shapes, new weights, as many epochs as dense training and fine-tuning together",
        "Bits a row: all matrices rounded, one scale a row, bytes by arithmetic and not timed"
        + ("" if bench.data != "ml-100k" else "; the rival from scratch keeps the entries of the most similar items"),
    ]


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
