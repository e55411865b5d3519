"""The frontier of DeepFM on Frappe from one run: `python -m benchmarks.frontier`.

Eight stops; plans and fine-tuning look at training and validation data. The test part is read once a point, after the
run. What the run takes is told in epochs and in seconds of the processor, beside the dense training in the same run.
"""

from __future__ import annotations

import time
from dataclasses import replace

import torch
from benchmarks.recipes import frappe_deepfm
from benchmarks.result import write_result

from recprune.evaluation.evaluate import evaluate
from recprune.packing import pack, storing
from recprune.recipe.frontier import ENCODINGS, FACTORS, points
from recprune.training.fit import fit

__all__ = ["main"]

SEED = 0
EPOCHS = 40
RATE = 1.5e-3
"""Smaller steps than in training keep the first stops, larger ones the last (on validation: 1e-3 and 2e-3)."""


def main() -> None:
    """Train, draw the frontier, judge every point on test, write the result."""
    model, split, options = frappe_deepfm(SEED)
    begin = time.process_time()
    fit(model, split, options)
    dense = time.process_time() - begin
    begin, made = time.process_time(), []
    tuning = replace(options, epochs=EPOCHS, lr=RATE)
    for point, pruned in points(model, split, options=tuning, distilled=True, seed=SEED):
        made.append((point, pruned))
        print(f"{point.name}: {point.bytes:,} bytes, AUC {point.metrics['auc']:.5f}", flush=True)
    taken = time.process_time() - begin
    rows = []
    for point, pruned in made:
        small = model if pruned is None else pruned.model
        small = pack(small, storing(small, point.encoding)) if point.encoding else small
        test = evaluate(small, split, renumber=None if pruned is None else pruned.renumber).mean
        share = point.bytes / made[0][0].bytes
        cells = [point.features + point.network, point.bytes, round(share, 4), round(point.request, 3)]
        rows.append([point.name, *cells, *(round(float(v or 0), 5) for v in (point.metrics["auc"], test["auc"]))])
    path = write_result(
        "frontier",
        "DeepFM on Frappe: quality against bytes, one run",
        ["model", "parameters", "bytes", "of dense", "ms a request", "validation AUC", "test AUC"],
        rows,
        notes=[
            f"Dense training: {options.epochs} epochs, {dense:.0f} s of the processor; all {len(FACTORS)} stops with "
            f"their scores and fine-tuning: {max(p.epochs for p, _ in made)} epochs of smaller models, {taken:.0f} s, "
            f"{taken / dense:.2f} times as long; every stop is stored by {' and '.join(ENCODINGS)} too",
            "Packed models decode with torch operations, which takes time; `recprune.unpack` gives their floats back",
        ],
        data=["frappe"],
        seeds=[SEED],
    )
    print(f"written: {path}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
