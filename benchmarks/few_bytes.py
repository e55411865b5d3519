"""Click models in a fifth to a fiftieth of their bytes: `python -m benchmarks.few_bytes [NAME] ...`.

Names are `deepfm` and `dcn` (on Frappe), and those of other sets of data, where it is DeepFM. Each writes
results/few_bytes_NAME.json. Plans are made on training and validation data; the test part is read once a seed, after
everything was chosen. A seed that was measured, and trainings that are begun, are kept under benchmarks/runs.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from benchmarks.asked import names_asked
from benchmarks.recipes import Recipe, adult_deepfm, anime_deepfm, frappe_dcn, frappe_deepfm, ml100k_deepfm
from benchmarks.result import write_result
from benchmarks.served_clicks import served_clicks
from torch import nn

from recprune.atomic import write_bytes
from recprune.data.dataset import Split
from recprune.errors import BudgetError
from recprune.evaluation.compare import compare
from recprune.evaluation.comparison import Comparison
from recprune.evaluation.inputs import Renumber
from recprune.evaluation.size import size_of
from recprune.packing import pack, storing
from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.recipe.pruned import Pruned, carry_out
from recprune.recipe.rating import choose_by, rate
from recprune.recipe.rivals import by_chance, from_scratch
from recprune.tracing.site import Kind
from recprune.training.fit import FitOptions, fit

__all__ = ["main"]

RUNS = Path(__file__).resolve().parent / "runs"
SHARES = (0.20, 0.10, 0.05, 0.02)
FIRST = 0.10
"""The share beside which random units are measured."""
SEEDS = (0, 1, 2)


class Subject(NamedTuple):
    """title: of the model and its data; data: the folder; make: the model by a seed; epochs: of training; tuning: of
    fine-tuning."""

    title: str
    data: str
    make: Callable[[int], Recipe]
    epochs: int = 12
    tuning: int = 24


SUBJECTS = {
    "deepfm": Subject("DeepFM on Frappe", "frappe", frappe_deepfm),
    "dcn": Subject("DCN-V2 on Frappe", "frappe", frappe_dcn),
    "adult": Subject("DeepFM on Adult", "adult", adult_deepfm, 20, 40),
    "ml-100k": Subject("DeepFM on MovieLens 100K, rating of 4 or more", "ml-100k", ml100k_deepfm, 6, 12),
    "anime": Subject("DeepFM on Anime, rating of 8 or more", "anime", anime_deepfm, 8, 16),
}


def main(names: list[str]) -> None:
    """Measure the models of those names, all where none is named."""
    for name in names or list(SUBJECTS):
        runs = [resumed(name, seed) for seed in SEEDS]
        sides = sorted((side for side in runs[0].sides if all(side in run.sides for run in runs)), key=place)
        times = served(name)
        columns = ["model", "parameters P", "Q", "bytes", "of dense", "auc", "logloss", "auc minus dense"]
        path = write_result(
            f"few_bytes_{name}",
            f"{SUBJECTS[name].title} in a fifth to a fiftieth of its bytes, cuts and bits in one plan",
            [*columns, "standard error", "ms a request", "ms by torch", "ms a 1,000", "ms a 1,000 by torch"],
            [[*row(runs, side), *took(times, runs, side)] for side in sides],
            notes=notes(runs, SUBJECTS[name]),
            data=[SUBJECTS[name].data],
            seeds=SEEDS,
            command=f"python -m benchmarks.few_bytes {name}",
        )
        print(f"written: {path}")


def resumed(name: str, seed: int) -> Comparison:
    """What was measured, or measured now."""
    subject = SUBJECTS[name]
    path = RUNS / f"few_bytes-{name}-{seed}-{subject.epochs}-{subject.tuning}.json"
    if not path.exists():
        begun = path.with_suffix(".begun")
        begun.mkdir(parents=True, exist_ok=True)
        found = measure(subject, seed, begun)
        write_bytes(path, found.to_json().encode())
        for chosen in begun.glob("plan-*"):
            chosen.replace(made_plan(name, seed, chosen.name.removeprefix("plan-")))
        shutil.rmtree(begun)
    return Comparison.from_json(path.read_text(encoding="utf-8"))


def made_plan(name: str, seed: int, share: str) -> Path:
    """Where the plan of a share stays, once its seed was measured."""
    return RUNS / f"few_bytes-{name}-{seed}-plan-{share}"


def measure(subject: Subject, seed: int, begun: Path) -> Comparison:
    """Train, prune to each share of the bytes, train the rivals, judge all on test. begun: a folder for trainings that
    are not done."""
    model, split, options = subject.make(seed)
    long = subject.epochs + subject.tuning

    def work(what: str, how: FitOptions, drawn: int = 0) -> FitOptions:
        print(f"{begun.stem}: {what}", flush=True)
        saved = begun / what.replace(" ", "-").replace("%", "")
        return replace(how, patience=how.epochs, seed=seed + drawn, checkpoint=saved)

    longer, tuning = copy.deepcopy(model), gentler(options, subject.tuning, seed)
    fit(model, split, work("dense", replace(options, epochs=subject.epochs)))
    fit(longer, split, work("dense longer", replace(options, epochs=long)))
    made: dict[str, Pruned] = {}
    every, rare = Budget(bytes=1), Budget(bytes=1, kinds=frozenset({Kind.ID}))
    choose_units = cheapest(model, split, every, tuning=tuning, seed=seed)
    choose_ids = cheapest(model, split, rare, rule="frequency", seed=seed)
    for share in SHARES:
        size, say = int(share * size_of(model)[2]), f"{share:.0%}"
        chosen = kept(begun / f"plan-{say}", partial(choose_units, replace(every, bytes=size)))
        what = f"{say}, pruned"
        made[what] = small = carry_out(model, split, chosen, options=work(what, tuning), distilled=True)
        what = f"{say}, same size from scratch"
        together = work(what, replace(options, epochs=long), 100)
        made[what] = from_scratch(model, split, small, options=together, seed=seed + 100)
        if share == FIRST:
            what = f"{say}, random units"
            made[what] = by_chance(model, split, small, options=work(what, tuning), distilled=True, seed=seed)
        try:
            what = f"{say}, rare ids and bits"
            chosen = kept(begun / f"rare-{say}", partial(choose_ids, replace(rare, bytes=size)))
            made[what] = carry_out(model, split, chosen, options=work(what, tuning), distilled=True)
        except BudgetError as error:
            print(f"{say}, rare ids and bits: {error}", flush=True)
    first = f"{FIRST:.0%}, pruned"
    rivals = {name: one.model for name, one in made.items() if name != first} | {"dense, trained as long": longer}
    rivals |= {f"dense, {e.removesuffix('_rows')}": pack(model, storing(model, e)) for e in ("int8_rows", "int4_rows")}
    codes = {("after" if name == first else name): one.renumber for name, one in made.items() if one.renumber}
    return compare(model, made[first].model, split, rivals=rivals, renumber=codes, seed=seed, threads=1)


def gentler(options: FitOptions, epochs: int, seed: int) -> FitOptions:
    """How what was pruned is fine-tuned: at a quarter of the step size, with a fifth of the penalty, which less needs
    less of. Validation AUC of seeds 0 and 1 on Frappe, as it was trained: at a tenth 0.9858 and 0.9858, so: 0.9867 and
    0.9862; at a twentieth 0.9779 and 0.9773, so: 0.9809 and 0.9785. Of seed 0 at a tenth, step size / l2: 4e-2 / 2e-5:
    0.9859; 2e-2 / 5e-5, 2e-5, 1e-5: 0.9861, 0.9865, 0.9864; 1e-2 / 5e-5, 2e-5, 1e-5, 5e-6: 0.9863, 0.9863, 0.9867,
    0.9865; 5e-3 / 2e-5: 0.9864; a teacher of weight 0.8, of temperature 2: 0.9853, 0.9854. On MovieLens 100K, seed 0,
    at a tenth and a twentieth, as it was trained: 0.7864, 0.7814; so: 0.7869, 0.7827; at half the step size: 0.7875,
    0.7829.
    """
    return replace(options, epochs=epochs, lr=options.lr / 4, l2=options.l2 / 5, seed=seed)


def cheapest(
    model: nn.Module,
    split: Split,
    budget: Budget,
    *,
    rule: str | None = None,
    tuning: FitOptions | None = None,
    seed: int,
) -> Callable[[Budget], Plan]:
    """What makes plans as `plan` does, for budgets in bytes like this one; units are rated once, when the first is
    asked for."""
    rated = cache(lambda: rate(model, split, budget, rule=rule, tuning=tuning, seed=seed))
    return lambda other: choose_by(rated(), model, split, other, tuning=tuning, seed=seed)


def kept(path: Path, make: Callable[[], Plan]) -> Plan:
    """The plan that stands there, or a new one."""
    if not path.exists():
        write_bytes(path, make().to_json().encode())
    return Plan.from_json(path.read_text(encoding="utf-8"))


def named(side: str) -> str:
    """What a side is called in the table."""
    return {"before": "dense", "after": f"{FIRST:.0%}, pruned"}.get(side, side)


def place(side: str) -> int:
    """Where a side stands in the table: the dense model, what was made of it share by share, the others."""
    parts = [f"{share:.0%}" for share in SHARES]
    share = named(side).partition(",")[0]
    return parts.index(share) if share in parts else -1 if side == "before" else len(parts)


def row(runs: list[Comparison], side: str) -> list[object]:
    """Means over the seeds; the standard error is of the paired difference, averaged over the seeds."""
    sides = [run.sides[side] for run in runs]
    size = float(np.mean([s.bytes for s in sides]))
    dense = float(np.mean([run.before.bytes for run in runs]))
    cells: list[object] = [named(side)]
    cells += [round(float(np.mean([s.features for s in sides]))), round(float(np.mean([s.network for s in sides])))]
    cells += [round(size), round(size / dense, 4)]
    cells += [round(float(np.mean([s.metrics[m] or 0.0 for s in sides])), 5) for m in ("auc", "logloss")]
    if side == "before":
        cells += [None, None]
    else:
        apart = [run.difference("auc", side) for run in runs]
        cells += [
            round(float(np.mean([d.value or 0.0 for d in apart])), 5),
            round(float(np.mean([d.standard_error or 0.0 for d in apart])), 5),
        ]
    return cells


def took(times: dict[str, list[float]], runs: list[Comparison], side: str) -> list[object]:
    """Milliseconds of one row and of a thousand: by the fastest runtime, where it was asked, and by torch."""
    sides = [run.sides[side] for run in runs]
    cells: list[object] = []
    for fastest, speeds in zip(
        times.get(side, [None, None]), ([s.request for s in sides], [s.thousand for s in sides]), strict=True
    ):
        by_torch = float(np.median([v.median for v in speeds if v is not None]))
        cells += [None if fastest is None else round(fastest, 3), round(by_torch, 3)]
    return cells


def served(name: str) -> dict[str, list[float]]:
    """Side -> milliseconds of one row and of a thousand by the fastest runtime: of seed 0, pruned anew but not
    fine-tuned, which changes no shape. Kept, as what was measured is."""
    path = RUNS / f"few_bytes-served-{name}.json"
    if not path.exists():
        models, split = remade(name)
        found = [served_clicks(models, split, rows) for rows in (1, 1000)]
        write_bytes(path, json.dumps({side: [f[side].fastest for f in found] for side in models}).encode())
    read: dict[str, list[float]] = json.loads(path.read_text(encoding="utf-8"))
    return read


def remade(name: str) -> tuple[dict[str, tuple[nn.Module, Renumber | None]], Split]:
    """The models of seed 0 in their shapes and bits, with the codes of their ids."""
    subject = SUBJECTS[name]
    model, split, options = subject.make(0)
    fit(model, split, replace(options, epochs=subject.epochs, patience=subject.epochs, seed=0))
    tuning = gentler(options, subject.tuning, 0)
    choose_units = cheapest(model, split, Budget(bytes=1), tuning=tuning, seed=0)
    models: dict[str, tuple[nn.Module, Renumber | None]] = {"before": (model, None)}
    for share in SHARES:
        budget = Budget(bytes=int(share * size_of(model)[2]))
        chosen = kept(made_plan(name, 0, f"{share:.0%}"), partial(choose_units, budget))
        small = carry_out(model, split, chosen, finetuned=False)
        models[_pruned(share)] = (small.model, small.renumber)
    for bits in ("int8", "int4"):
        models[f"dense, {bits}"] = (pack(model, storing(model, f"{bits}_rows")), None)
    return models, split


def notes(runs: list[Comparison], subject: Subject) -> list[str]:
    """What to know before reading the table."""
    at_first = _apart(runs, "after", "before")
    from_new = ", ".join(
        f"{share:.0%}: {_apart(runs, _pruned(share), f'{share:.0%}, same size from scratch')}" for share in SHARES
    )
    first, more = subject.epochs, subject.tuning
    wanted = "To reach: AUC within 0.0005 of dense at a tenth; at a twentieth not below the same size from scratch"
    return [
        *([wanted] if subject.data == "frappe" else []),
        f"AUC at {FIRST:.0%} minus that of the dense one, seed by seed: {at_first}; minus that of the same size from "
        f"scratch, at {from_new}",
        f"Dense training {first} epochs; pruned, random and rare ids: {more} epochs of fine-tuning with the dense "
        "model as teacher, at a quarter of the step size and a fifth of the penalty, in which weights act as they will "
        "be stored; from scratch: the same shapes and bits, new "
        f"weights, {first + more} epochs with weights that act so too; dense, trained as long: {first + more} "
        "epochs",
        "A request: the fastest runtime that answers alike, which `recprune serve` takes after `recprune bench` "
        "(kernels throughout); torch decodes packed weights by its own operations, which takes time",
    ]


def _pruned(share: float) -> str:
    """The side that was pruned to a share."""
    return "after" if share == FIRST else f"{share:.0%}, pruned"


def _apart(runs: list[Comparison], side: str, other: str) -> str:
    """AUC of one side minus that of another, seed by seed."""
    found = [[float(run.sides[name].metrics["auc"] or 0.0) for name in (side, other)] for run in runs]
    return ", ".join(f"{one - two:+.5f}" for one, two in found)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(names_asked("few_bytes", SUBJECTS))
