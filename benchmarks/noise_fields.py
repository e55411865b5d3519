"""Fields that mean nothing, found by a rule that does not know how many: `python -m benchmarks.noise_fields [NAME]`.

NAME is simulator, or frappe, adult or demo with -10, -20 or -30, the number of injected fields, as in demo-20. Each
writes results/noise_NAME.json. Everything is chosen on train and validation; the test rows of a log are read once a
seed, when all methods have chosen and all models are trained.
"""

from __future__ import annotations

import json
import sys
import time
import zlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.noise_data import Noisy, adult, demo, frappe, injected, simulated
from benchmarks.noise_rivals import rivals
from benchmarks.result import write_result
from torch import nn

from recprune.atomic import write_bytes
from recprune.data.dataset import Split
from recprune.data.idle import without_columns
from recprune.evaluation.clicks import auc, delong
from recprune.evaluation.evaluate import row_scores
from recprune.models.build import build
from recprune.recipe.select_fields import select_fields
from recprune.training.fit import FitOptions, fit

__all__ = ["main"]

OURS = "select_fields"
RUNS = Path(__file__).resolve().parent / "runs"
COLUMNS = [
    *("method", "left that should", "precision", "recall", "real fields kept", "test AUC", "minus clean log"),
    *("standard error", "CPU seconds"),
]


@dataclass(frozen=True, slots=True)
class Bench:
    """A log with fields that mean nothing, by the seed; the model's settings and how it is trained; seeds; files."""

    title: str
    made: Callable[[int], Noisy]
    settings: Mapping[str, Any]
    options: Mapping[str, Any]
    seeds: tuple[int, ...]
    data: tuple[str, ...]
    remark: str = ""


SMALL = {"dim": 8, "hidden": (64, 32), "dropout": 0.2}
QUICK = {"epochs": 8, "batch": 1024, "lr": 2e-3, "decay": 0.5, "schedule": "linear", "patience": 2}
COARSE = {"epochs": 6, "batch": 2048, "lr": 2e-3, "decay": 0.5, "schedule": "linear", "patience": 2}
LARGE = {"dim": 16, "hidden": (128, 128), "dropout": 0.3}
LONG = {"epochs": 12, "batch": 2048, "lr": 2e-3, "decay": 1.0, "schedule": "linear", "patience": 3}
DEMO = (
    "A negative has the household, store and moment of its positive, so that these say little by themselves: the "
    "fields of the product carry the label, and precision counts the others as lost"
)
once_adult, once_frappe, once_demo = cache(adult), cache(frappe), cache(demo)
BENCHES = {
    "simulator": Bench("the simulator", lambda seed: simulated(15, seed), SMALL, QUICK, (0, 1, 2), ()),
    **{
        f"adult-{n}": Bench("Adult", lambda s, n=n: injected(once_adult(), n, s), SMALL, QUICK, (0, 1, 2), ("adult",))
        for n in (10, 20, 30)
    },
    **{
        f"frappe-{n}": Bench(
            "Frappe", lambda s, n=n: injected(once_frappe(), n, s), LARGE, LONG, (0, 1, 2), ("frappe",)
        )
        for n in (10, 20, 30)
    },
    **{
        f"demo-{n}": Bench(
            "the demo log",
            lambda s, n=n: injected(once_demo(), n, s),
            SMALL,
            COARSE,
            (0, 1, 2),
            ("complete-journey",),
            DEMO,
        )
        for n in (10, 20, 30)
    },
}


def main(names: list[str]) -> None:
    """Run the benches of those names, all where none is named."""
    for name in names or list(BENCHES):
        bench = BENCHES[name]
        runs = [resumed(name, bench, seed) for seed in bench.seeds]
        path = write_result(
            f"noise_{name}",
            f"Fields that mean nothing in {bench.title}, {len(runs[0].part)} of them",
            COLUMNS,
            [row(method, runs) for method in runs[0].kept],
            notes=notes(bench, runs),
            data=bench.data,
            seeds=bench.seeds,
            command=f"python -m benchmarks.noise_fields {name}",
        )
        print(f"written: {path}", flush=True)


@dataclass(frozen=True, slots=True)
class Run:
    """One seed. real: fields of the log; part: what the others are. kept: method -> fields; counts: method -> what left
    that should, precision, recall, real fields that stayed; seconds: of the processor, to choose. area: method -> test
    AUC of the model trained on what it kept; apart: the same minus that of the clean log, and its standard error.
    rounds: of ours.
    """

    real: list[str]
    part: dict[str, str]
    kept: dict[str, list[str]]
    counts: dict[str, list[float]]
    seconds: dict[str, float]
    area: dict[str, float]
    apart: dict[str, list[float]]
    rounds: int


def resumed(name: str, bench: Bench, seed: int) -> Run:
    """What was measured with these very settings, or measured now."""
    settings = zlib.crc32(repr((sorted(bench.settings.items()), sorted(bench.options.items()))).encode())
    path = RUNS / f"noise_{name}-{seed}-{settings:08x}.json"
    if not path.exists():
        found = measure(bench, seed)
        RUNS.mkdir(exist_ok=True)
        write_bytes(path, json.dumps(asdict(found)).encode())
    return Run(**json.loads(path.read_text(encoding="utf-8")))


def measure(bench: Bench, seed: int) -> Run:
    """All methods choose, a model is trained on each choice, then the test rows are read."""
    noisy = bench.made(seed)
    fields = noisy.split.train.fields
    begin = time.process_time()
    ours = select_fields(lambda part, drawn: trained(bench, part, drawn), noisy.split, seed=seed)
    seconds = {OURS: time.process_time() - begin}
    others = rivals(noisy.split, len(noisy.real), seed)
    seconds |= {name: choice.seconds for name, choice in others.items()}
    kept = {OURS: ours.kept, **{name: choice.kept for name, choice in others.items()}}
    kept |= {"all fields": fields, "clean log": noisy.real}
    models = {
        chosen: trained(bench, without_columns(noisy.split, set(fields) - chosen), seed + 100)
        for chosen in {frozenset(names): None for names in kept.values()}
    }
    test = noisy.test()
    label = test["label"].astype(np.float64)
    scores = {chosen: row_scores(model, test) for chosen, model in models.items()}
    clean, of = scores[frozenset(noisy.real)], {name: scores[frozenset(names)] for name, names in kept.items()}
    found = Run(
        list(noisy.real),
        dict(noisy.part),
        {name: list(names) for name, names in kept.items()},
        {name: list(counts(noisy, names)) for name, names in kept.items()},
        seconds,
        {name: auc(mine, label) for name, mine in of.items()},
        {name: list(delong(clean, mine, label)) for name, mine in of.items()},
        len(ours.rounds),
    )
    print(f"{bench.title}, seed {seed}: {found.rounds} rounds, {seconds[OURS]:.0f} s; {found.counts[OURS]}", flush=True)
    return found


def trained(bench: Bench, split: Split, seed: int) -> nn.Module:
    """DeepFM on the fields of the split."""
    model = build("deepfm", split, seed=seed, **bench.settings)
    fit(model, split, FitOptions(**bench.options, seed=seed))
    return model


def counts(noisy: Noisy, names: Collection[str]) -> tuple[float, float, float, float]:
    """Of what should leave: how many left, precision and recall; real fields that stayed.

    Of copies any one may stay: where a copy took the place of its field, it counts as the field.
    """
    kept = set(names)
    copies = copy_pairs(noisy)
    stand_in = {copy for copy, field in copies.items() if copy in kept and field not in kept}
    idle = set(noisy.part) - stand_in | {copies[copy] for copy in stand_in}
    real = set(noisy.real) - {copies[copy] for copy in stand_in} | stand_in
    left = set(noisy.split.train.fields) - kept
    right = len(left & idle)
    return right, right / max(len(left), 1), right / max(len(idle), 1), len(real & kept)


def copy_pairs(noisy: Noisy) -> dict[str, str]:
    """Copy -> the field that it repeats."""
    named = {name: part.removeprefix("copy of ") for name, part in noisy.part.items() if part.startswith("copy of ")}
    return named | {name: name.rpartition("_copy")[0] for name, part in noisy.part.items() if part == "redundant"}


def row(method: str, runs: list[Run]) -> list[object]:
    """Means over the seeds; the standard error is of one seed's paired difference, in the mean."""
    found = np.array([run.counts[method] for run in runs]).mean(0)
    judged = method not in ("all fields", "clean log")
    cells: list[object] = [method, *(round(float(value), 3) if judged else None for value in found[:3])]
    cells += [f"{found[3]:.1f} of {len(runs[0].real)}"]
    cells += [round(float(np.mean([run.area[method] for run in runs])), 5)]
    gain, error = np.array([run.apart[method] for run in runs]).mean(0)
    cells += [round(float(gain), 5), round(float(error), 5)] if method != "clean log" else [None, None]
    return [*cells, round(float(np.median([run.seconds[method] for run in runs])), 1) if judged else None]


def notes(bench: Bench, runs: list[Run]) -> list[str]:
    """What to know before reading the table."""
    lost = sorted({name for run in runs for name in set(run.real) - set(run.kept[OURS])})
    gains = [run.apart[OURS] for run in runs]
    below = sum(gain < -1.96 * error for gain, error in gains)
    stayed = sorted({run.part[name] for run in runs for name in set(run.kept[OURS]) & set(run.part)})
    return [
        "select_fields knows nothing but train and validation; the methods that are told the number know how many "
        "fields of the log are real",
        "AUC: a new DeepFM, trained alike on what each method kept, and on the log without any such field; the test "
        "rows were read after all of them had been trained. Standard error: DeLong, of one seed",
        f"select_fields minus clean log, seed by seed: {', '.join(f'{gain:+.5f}' for gain, _ in gains)}; below it by "
        f"more than the paired 95 % interval: {below} of {len(runs)}",
        f"Rounds of select_fields: {', '.join(str(run.rounds) for run in runs)}",
        f"Real fields that left in some seed: {', '.join(lost) or 'none'}; fields that should have left and stayed: "
        f"{', '.join(stayed) or 'none'}",
        *([bench.remark] if bench.remark else []),
        *(
            []
            if bench.data
            else ["User and item are counted among the real fields, though their own ids may not pay for their rows"]
        ),
    ]


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
