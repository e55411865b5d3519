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
    """A dense model, what it is judged by at length k, and what was to be reached."""

    title: str
    recipe: Callable[[int], Recipe]
    seeds: tuple[int, ...]
    k: int
    wanted: tuple[tuple[str, float], ...]
    data: str
    notes: tuple[str, ...]


LISTS = "All items are ranked for all users, those of the history left out"
BENCHES = {
    "ease": Bench(
        "EASE on ml-100k",
        lambda _: ml100k_ease(),
        (0,),
        20,
        (("recall@20", 0.198), ("ndcg@20", 0.211)),
        "ml-100k",
        (LISTS,),
    ),
    "deepfm": Bench(
        "DeepFM on Frappe",
        frappe_deepfm,
        (0, 1, 2),
        20,
        (("auc", 0.980),),
        "frappe",
        ("The test rows are the published ones; the negatives of the training rows were drawn again",),
    ),
    "caser": Bench(
        "Caser on Amazon Beauty",
        beauty_caser,
        (0, 1, 2),
        10,
        (("hit@10", 0.0347), ("ndcg@10", 0.0176)),
        "amazon-beauty-seq",
        (LISTS, "To reach: Caser as published with S3-Rec (Zhou et al. 2020), the same split"),
    ),
}


def main(names: list[str]) -> None:
    """Train and judge the benches of those names, all where none is named."""
    for name in names or list(BENCHES):
        bench = BENCHES[name]
        runs = [measure(bench, seed) for seed in bench.seeds]
        seconds = round(float(np.median([time for _, time, _ in runs])), 1)
        rows = []
        for metric, least in bench.wanted:
            values = [found[metric] for found, _, _ in runs]
            spread = round(float(np.std(values, ddof=1)), 5) if len(values) > 1 else None
            rows.append([metric, round(float(np.mean(values)), 5), spread, least, runs[0][2], seconds])
        path = write_result(
            f"dense_{name}",
            f"{bench.title}, before any pruning",
            ["metric", "test mean", "sd over seeds", "to reach", "parameters", "training s"],
            rows,
            notes=[
                "Settings were chosen on validation alone (benchmarks/recipes.py says how)",
                *bench.notes,
            ],
            data=[bench.data],
            seeds=bench.seeds,
            command=f"python -m benchmarks.dense {name}",
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
