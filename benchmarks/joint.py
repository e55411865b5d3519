"""One plan of all kinds beside plans of a single kind, at equal bytes: `python -m benchmarks.joint`.

DeepFM on Frappe. Every plan is made on training and validation data and fine-tuned alike; the test part is read once a
seed, after everything was chosen. A seed that was measured, and trainings that are begun, are kept under
benchmarks/runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from benchmarks.few_bytes import kept
from benchmarks.recipes import frappe_deepfm
from benchmarks.result import write_result
from torch import nn

from recprune.atomic import write_bytes
from recprune.data.dataset import Split
from recprune.errors import BudgetError
from recprune.evaluation.compare import compare
from recprune.evaluation.comparison import Comparison
from recprune.evaluation.size import size_of
from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.recipe.prune import plan
from recprune.recipe.pruned import carry_out
from recprune.tracing.site import Kind
from recprune.training.fit import FitOptions, fit

__all__ = ["main"]

RUNS = Path(__file__).resolve().parent / "runs"
SHARES = (0.5, 0.2, 0.1)
KINDS = (Kind.DIM, Kind.NEURON, Kind.ID, Kind.FIELD)
SEEDS = (0, 1, 2)
EPOCHS = 12
FIRST = f"{SHARES[0]:.0%}, all kinds and bits"


def main() -> None:
    """Measure every seed, write the result."""
    found = [resumed(seed) for seed in SEEDS]
    runs, refused = [run for run, _ in found], found[0][1]
    sides = [side for side in runs[0].sides if all(side in run.sides for run in runs)]
    path = write_result(
        "joint",
        "DeepFM on Frappe: one plan of all kinds and of bits beside plans of one kind, at equal bytes",
        ["plan", "bytes", "of dense", "auc", "logloss", "auc minus all kinds", "seed by seed"],
        [row(runs, side) for side in sides],
        notes=[
            f"Dense training {EPOCHS} epochs, then {EPOCHS} epochs of fine-tuning for every plan, with the dense model "
            "as teacher and weights that act as they will be stored; all plans choose from the same scores. Bits: "
            "int8, int4, int4 and int2 of rotated rows, by tensor",
            "Not there, for no plan of that kind is so small: " + "; ".join(refused),
        ],
        data=["frappe"],
        seeds=SEEDS,
    )
    print(f"written: {path}")


def resumed(seed: int) -> tuple[Comparison, list[str]]:
    """What was measured, or measured now; and the plans that there are not."""
    path = RUNS / f"joint-{seed}-{EPOCHS}.json"
    begun = path.with_suffix(".begun")
    model, split, options = frappe_deepfm(seed)
    options = replace(options, epochs=EPOCHS, patience=EPOCHS, seed=seed)
    begun.mkdir(parents=True, exist_ok=True)
    fit(model, split, replace(options, checkpoint=begun / "dense"))
    refused: list[str] = []
    plans = dict(chosen(model, split, options, begun, refused))
    if not path.exists():
        write_bytes(path, measure(model, split, options, plans, begun).to_json().encode())
    for file in begun.iterdir():
        if file.name != "dense" and not file.name.startswith("plan-"):
            file.unlink()
    return Comparison.from_json(path.read_text(encoding="utf-8")), refused


def chosen(
    model: nn.Module, split: Split, options: FitOptions, begun: Path, refused: list[str]
) -> Iterator[tuple[str, Plan]]:
    """Plans by name; names of those that there are not go to `refused`."""
    for share in SHARES:
        whole = Budget(bytes=int(share * size_of(model)[2]))
        ways: list[tuple[str, Budget, tuple[str, ...] | None]] = [("all kinds and bits", whole, None)]
        ways.append(("bits", replace(whole, kinds=frozenset()), None))
        ways += [(f"{kind}s", replace(whole, kinds=frozenset({kind})), ()) for kind in KINDS]
        ways += [(f"{kind}s and bits", replace(whole, kinds=frozenset({kind})), None) for kind in KINDS]
        for name, budget, encodings in ways:

            def make(budget: Budget = budget, encodings: tuple[str, ...] | None = encodings) -> Plan:
                return plan(model, split, budget=budget, encodings=encodings, tuning=options, seed=options.seed)

            try:
                yield f"{share:.0%}, {name}", kept(begun / f"plan-{share:.0%}-{name.replace(' ', '-')}", make)
            except BudgetError as error:
                least = (error.reachable or 0) / size_of(model)[2]
                refused.append(f"{share:.0%}, {name} (at least {least:.0%})")


def measure(model: nn.Module, split: Split, options: FitOptions, plans: dict[str, Plan], begun: Path) -> Comparison:
    """Carry all plans out, judge them on test."""
    made = {}
    for name, one in plans.items():
        print(f"{begun.stem}: {name}", flush=True)
        saved = replace(options, checkpoint=begun / name.replace(" ", "-").replace("%", ""))
        made[name] = carry_out(model, split, one, options=saved, distilled=True)
    rivals = {name: one.model for name, one in made.items() if name != FIRST}
    codes = {("after" if name == FIRST else name): one.renumber for name, one in made.items() if one.renumber}
    return compare(model, made[FIRST].model, split, rivals=rivals, renumber=codes, seed=options.seed, repeats=0)


def row(runs: list[Comparison], side: str) -> list[object]:
    """Means over the seeds; the difference is to the plan of all kinds at the same budget."""
    sides = [run.sides[side] for run in runs]
    name = {"before": "dense", "after": FIRST}.get(side, side)
    together = f"{name.partition(',')[0]}, all kinds and bits"
    rival = "after" if together == FIRST else together
    size = float(np.mean([one.bytes for one in sides]))
    cells: list[object] = [name, round(size), round(size / float(np.mean([run.before.bytes for run in runs])), 4)]
    cells += [round(float(np.mean([one.metrics[m] or 0.0 for one in sides])), 5) for m in ("auc", "logloss")]
    if name in ("dense", together):
        return [*cells, None, None]
    apart = [float(run.sides[side].metrics["auc"] or 0) - float(run.sides[rival].metrics["auc"] or 0) for run in runs]
    return [*cells, round(float(np.mean(apart)), 5), ", ".join(f"{one:+.5f}" for one in apart)]


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
