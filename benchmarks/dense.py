"""The dense models before any pruning, on test parts that are opened once: `python -m benchmarks.dense [NAME ...]`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from benchmarks.recipes import Recipe, beauty_caser, frappe_deepfm, ml100k_ease
from benchmarks.result import write_result

from recprune.evaluation.evaluate import evaluate
from recprune.training.fit import fit

__all__ = ["main"]


@dataclass(frozen=True, slots=True)
class Bench:
    """A dense model, what it is judged by and what was to be reached."""

    title: str
    recipe: Callable[[int], Recipe]
    seeds: tuple[int, ...]
    k: int
    wanted: tuple[tuple[str, float], ...]


BENCHES = {
    "ease": Bench("EASE, ml-100k", lambda _: ml100k_ease(), (0,), 20, (("recall@20", 0.198), ("ndcg@20", 0.211))),
    "deepfm": Bench("DeepFM, Frappe", frappe_deepfm, (0, 1, 2), 20, (("auc", 0.980),)),
    "caser": Bench("Caser, Amazon Beauty", beauty_caser, (0, 1, 2), 10, (("hit@10", 0.0347), ("ndcg@10", 0.0176))),
}


def main(names: list[str]) -> None:
    """Train and judge the benches of those names (all where none is named) and write results/dense.json."""
    rows = []
    for name in names or list(BENCHES):
        bench = BENCHES[name]
        runs = [measure(bench, seed) for seed in bench.seeds]
        for metric, least in bench.wanted:
            values = [found[metric] for found, _, _ in runs]
            spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
            seconds = float(np.median([time for _, time, _ in runs]))
            rows.append([bench.title, runs[0][2], metric, float(np.mean(values)), spread, len(values), least, seconds])
    columns = ["model", "parameters", "metric", "test mean", "sd over seeds", "seeds", "to reach", "training s"]
    notes = [
        "Settings were chosen on validation alone (benchmarks/recipes.py says how); the test part is read once a seed.",
        "Rankings are over all items and all users, with the items of the history left out.",
        "To reach: set beforehand; for Amazon Beauty, Caser as published with S3-Rec (Zhou et al. 2020).",
        "Frappe: published test rows and positives; the negatives of the training rows were drawn again.",
    ]
    path = write_result(
        "dense",
        "Dense models before pruning",
        columns,
        rows,
        notes=notes,
        data=["ml-100k", "frappe", "amazon-beauty-seq"],
        seeds=[0, 1, 2],
    )
    print(f"written: {path}")


def measure(bench: Bench, seed: int) -> tuple[dict[str, float], float, int]:
    """Test metrics, seconds of training and number of parameters for one seed."""
    model, split, options = bench.recipe(seed)
    done = fit(model, split, options, progress=lambda e: print(f"  {e.number}: {e.loss:.4f} {e.value}", flush=True))
    scores = evaluate(model, split, "test", k=bench.k).mean
    found = {metric: float(scores[metric] or 0.0) for metric, _ in bench.wanted}
    print(f"{bench.title}, seed {seed}: {found}, {done.seconds:.0f} s, best epoch {done.best_epoch}", flush=True)
    return found, done.seconds, sum(p.numel() for p in model.parameters())


if __name__ == "__main__":
    main(sys.argv[1:])
