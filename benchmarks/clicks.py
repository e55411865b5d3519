"""Click models beside linear models, trees and other packages: `python -m benchmarks.clicks [NAME] ...`.

Each set of data writes results/clicks_NAME.json. Every model has three settings, of which the one with the best
validation AUC (seed 0) is trained by all seeds; the test part is scored for those alone. Runs that are done are kept
under benchmarks/runs. `--only MODEL` (more than once) measures that one, and leaves the other rows of the table as they
are. `--rows 300` tries everything on so many rows of each part for one epoch, and writes nothing.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.clicks_rivals import DIM, DROPOUT, HIDDEN, Answer, Choice, Pace, Train, rivals
from benchmarks.recipes import adult, anime, frappe, ml100k_clicks
from benchmarks.result import of_earlier, read_earlier, write_result

from recprune.atomic import write_bytes
from recprune.data.bins import DISTINCT, binned
from recprune.data.dataset import Dataset, Split
from recprune.evaluation.clicks import click_scores
from recprune.evaluation.evaluate import row_scores
from recprune.models.build import build
from recprune.training.fit import FitOptions, fit
from recprune.training.mean_of import MeanOf

__all__ = ["contenders", "main"]

RUNS = Path(__file__).resolve().parent / "runs"
SEEDS = (0, 1, 2)
TOWER = {"dim": DIM, "hidden": HIDDEN, "dropout": DROPOUT}
OURS: dict[str, dict[str, Any]] = {
    "lr": {},
    "fm": {"dim": DIM},
    "deepfm": TOWER,
    "dcn": TOWER,
    "autoint": {"dim": DIM},
    "wide_deep": TOWER,
    "fgcnn": TOWER,
    "neumf": {},
    "din": TOWER,
}
NEEDS = {"neumf": ("user", "item"), "din": ("item", "sequence")}
"""Columns without which a model cannot be."""
TAUGHT = "deepfm, taught by four"
HOW_TAUGHT = (
    f"{TAUGHT}: the seconds are those of its teachers too, two of deepfm and two of dcn; how it learns was chosen "
    "on Frappe's validation part: distill 1 at temperature 1: 0.9839, 0.8 at 2: 0.9847; with dropout 0.3 0.9830 "
    "and 0.9837; the mean of the four teachers: 0.9862; by the penalty, step size / l2, 4e-2 / 5e-5: 0.9891, 2e-2 / "
    "2e-5: 0.9886"
)
ON_FILMS = frozenset({"fgcnn", "neumf"})
"""Measured on MovieLens 100K alone: one takes long, the other takes no fields."""
CHOICES = (
    {"lr": 2e-3, "decay": 1.0},
    {"lr": 2e-3, "decay": 0.1},
    {"lr": 2e-2, "decay": 0.0, "l2": 1e-4},
    {"lr": 4e-2, "decay": 0.0, "l2": 5e-5},
)
LINEAR = ({"lr": 1e-2, "decay": 0.01}, {"lr": 3e-2, "decay": 0.01}, {"lr": 0.1, "decay": 0.01})
COLUMNS = ("model", "test AUC", "sd over seeds", "test logloss", "validation AUC", "parameters", "training s")


TRIED_ON_ADULT = (
    "Tried on Adult's validation part, deepfm, seed 0, step size 2e-3, decay 1 and 0.1: gain and loss in at most 500, "
    "2,000 and 8,000 bins of as many rows, the other numbers in 16: 0.9373 and 0.9380, 0.9386 and 0.9395, 0.9401 and "
    "0.9410; in 8,000, the others as they are: 0.9409 and 0.9410; distinct, the others in 6, 16 and 48 pieces between "
    "quantiles (piecewise linear encoding, Gorishniy et al. 2022, section 3.2): 0.9400, 0.9403, 0.9400 at decay 1, "
    "in 16 0.9411 at 0.1, and as they are 0.9405 at decay 1. The boosted trees there, with leaves of 1, 5 and 20 rows, "
    "15 and 31 leaves, the best of three step sizes: 0.9393 to 0.9401"
)


@dataclass(frozen=True, slots=True)
class Set:
    """title: of the table; pace: of training; bins: numeric fields that are also tried in bins; notes; given: models
    whose choices were made elsewhere; without: models that are not measured there; distinct: numeric fields that are
    also tried in a bin for each number."""

    title: str
    split: Callable[[], Split]
    pace: Pace
    bins: Mapping[str, int | str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    given: Mapping[str, tuple[Choice, ...]] = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    distinct: tuple[str, ...] = ()


SETS = {
    "frappe": Set(
        "Frappe",
        frappe,
        Pace(12, 2048),
        notes=("The test rows are the published ones; negatives of train were drawn again",),
        without=ON_FILMS,
    ),
    "adult": Set(
        "Adult",
        adult,
        Pace(20, 256),
        {"age": 16, "fnlwgt": 16, "education_num": 16, "gain": "squared_log", "loss": "squared_log", "hours": 16},
        ("The published test rows; a tenth of the others is validation", TRIED_ON_ADULT),
        without=ON_FILMS,
        distinct=("gain", "loss"),
    ),
    "anime": Set(
        "Anime, rating of 8 or more",
        anime,
        Pace(12, 2048),
        {"episodes": "squared_log"},
        ("Rows parted at random; the mean rating and the members of the items are left out, for they leak",),
        without=ON_FILMS,
    ),
    "ml-100k": Set(
        "MovieLens 100K, rating of 4 or more",
        ml100k_clicks,
        Pace(6, 512),
        notes=(
            "The last 20 % of each user are test, a tenth before them validation; the past of a row for din: the last "
            "20 films that its user had liked before",
            "Training s: of the processor",
        ),
        without=frozenset({TAUGHT, "autoint", "dcn", "wide_deep"}),
    ),
}


def main(names: list[str], rows: int | None = None, only: Sequence[str] = ()) -> None:
    """Measure the sets of those names, all where none is named. only: the models, all where none is named."""
    for name in names or list(SETS):
        told = SETS[name]
        split = told.split() if rows is None else few(told.split(), rows)
        there = contenders(told, split)
        if unknown := [model for model in only if model not in there]:
            raise SystemExit(f"no {', '.join(unknown)}: there are {', '.join(there)}")
        now: dict[str, list[Any]] = {}
        for model in only or there:
            place = RUNS / f"clicks-{name}{'' if rows is None else f'-{rows}-rows'}" / model.replace(" ", "-")
            pace = told.pace if rows is None else Pace(1, 64)
            now[model] = row(model, measured(place, split, *there[model], pace))
        if rows is None:
            written(name, now, there)
        else:
            print(*(json.dumps(line) for line in [COLUMNS, *now.values()]), sep="\n")


def written(name: str, now: Mapping[str, list[Any]], order: Collection[str]) -> None:
    """The table with what was measured now; rows of other models stay as they are, also of what cannot run here."""
    earlier = read_earlier(f"clicks_{name}", now)[0]
    order = [*order, *(model for model in earlier if model not in order)]
    path = write_result(
        f"clicks_{name}",
        f"Click models on {SETS[name].title}, nothing pruned",
        COLUMNS,
        [now.get(model) or earlier[model] for model in order if model in now or model in earlier],
        notes=[*notes(SETS[name]), *of_earlier(earlier)],
        data=[name],
        seeds=SEEDS,
        command=f"python -m benchmarks.clicks {name}",
    )
    print(f"written: {path}")


def contenders(told: Set, split: Split) -> dict[str, tuple[tuple[Choice, ...], Train]]:
    """Name -> what may be chosen, and how it is trained: ours, those with numbers in bins, and the rivals."""
    there = set(split.train.columns)
    names = [name for name in OURS if set(NEEDS.get(name, ())) <= there]
    choices: dict[str, tuple[Choice, ...]] = {n: LINEAR if n == "lr" else told.given.get(n, CHOICES) for n in names}
    ours: dict[str, tuple[tuple[Choice, ...], Train]] = {n: (choices[n], partial(own, n)) for n in names}
    ours[TAUGHT] = ((CHOICES[0], CHOICES[-1]), taught)
    if told.bins:
        ours |= {f"{n}, numbers in bins": in_bins(ours[n], told.bins) for n in ("lr", "deepfm")}
    if told.distinct:
        bins, way = dict.fromkeys(told.distinct, DISTINCT), f"{' and '.join(told.distinct)} in distinct bins"
        ours |= {f"{n}, {way}": in_bins(ours[n], bins) for n in ("lr", "deepfm", "dcn", TAUGHT)}
    found = ours | rivals("sequence" in there)
    return {name: how for name, how in found.items() if name not in told.without}


def own(name: str, split: Split, seed: int, choice: Choice, pace: Pace) -> Answer:
    """One of our models, its best epoch by validation AUC."""
    begin, model = time.process_time(), build(name, split, seed=seed, **OURS[name])
    options = FitOptions(**pace._asdict(), schedule="linear", patience=pace.epochs, seed=seed, **choice)
    fit(model, split, options)
    seconds = time.process_time() - begin
    size = sum(p.numel() for p in model.parameters())
    return Answer(row_scores(model, split.valid), lambda: row_scores(model, split.test), size, seconds)


def taught(split: Split, seed: int, choice: Choice, pace: Pace) -> Answer:
    """DeepFM that learns from two of DeepFM and two of DCN-V2 (Hinton et al. 2015), with a third of the dropout."""
    begin = time.process_time()
    how = FitOptions(**pace._asdict(), schedule="linear", patience=pace.epochs, **choice)
    teachers = [build(name, split, seed=2 * seed + n, **TOWER) for name in ("deepfm", "dcn") for n in range(2)]
    for number, teacher in enumerate(teachers):
        fit(teacher, split, replace(how, seed=4 * seed + number))
    model = build("deepfm", split, seed=seed, **{**TOWER, "dropout": DROPOUT / 3})
    less = how.decay / 10
    long = replace(how, epochs=2 * pace.epochs, patience=2 * pace.epochs, decay=less, distill=0.8, temperature=2.0)
    fit(model, split, replace(long, seed=seed), teacher=MeanOf(teachers))
    seconds = time.process_time() - begin
    size = sum(p.numel() for p in model.parameters())
    return Answer(row_scores(model, split.valid), lambda: row_scores(model, split.test), size, seconds)


def in_bins(
    contender: tuple[tuple[Choice, ...], Train], bins: Mapping[str, int | str]
) -> tuple[tuple[Choice, ...], Train]:
    """The same choices and training with those numeric fields in bins."""
    choices, train = contender
    return choices, lambda split, *how: train(binned(split, bins), *how)


def measured(place: Path, split: Split, choices: tuple[Choice, ...], train: Train, pace: Pace) -> list[dict[str, Any]]:
    """What every seed came to: kept under `place`, or measured now."""
    place.mkdir(parents=True, exist_ok=True)
    runs: list[dict[str, Any]] = []
    for seed in SEEDS:
        path = place / f"{seed}.json"
        if not path.exists():
            tried = choices if seed == SEEDS[0] else (runs[0]["choice"],)
            write_bytes(path, json.dumps(best(split, seed, tried, train, pace)).encode())
        runs.append(json.loads(path.read_text(encoding="utf-8")))
        print(f"{place.parent.name}, {place.name}: {runs[-1]}", flush=True)
    return runs


def best(split: Split, seed: int, choices: tuple[Choice, ...], train: Train, pace: Pace) -> dict[str, Any]:
    """The choice with the best validation AUC, judged on test."""
    answers = [train(split, seed, choice, pace) for choice in choices]
    values = [click_scores(a.valid, split.valid["label"], "valid").mean["auc"] or 0.0 for a in answers]
    place = int(np.argmax(values))
    test = click_scores(answers[place].test(), split.test["label"]).mean
    return {
        "choice": dict(choices[place]),
        "valid": values[place],
        "auc": test["auc"],
        "logloss": test["logloss"],
        "parameters": answers[place].parameters,
        "seconds": answers[place].seconds,
    }


def row(model: str, runs: list[dict[str, Any]]) -> list[Any]:
    """A line of the table."""

    def mean(name: str) -> float:
        return round(float(np.mean([run[name] for run in runs])), 5)

    spread = round(float(np.std([run["auc"] for run in runs], ddof=1)), 5)
    seconds = round(float(np.median([run["seconds"] for run in runs])), 1)
    return [model, mean("auc"), spread, mean("logloss"), mean("valid"), runs[0]["parameters"], seconds]


def notes(told: Set) -> list[str]:
    """What a reader has to know."""
    bins = ", ".join(f"{name} {how}" for name, how in told.bins.items())
    return [
        "Each model has three or four settings (step size and decay or penalty) to choose from on validation, and its "
        "best epoch there; the penalty of torch-rechub's trainer is among them as it is and as that of ours",
        *([HOW_TAUGHT] if TAUGHT not in told.without else []),
        f"Vectors of {DIM} numbers and towers of {' and '.join(map(str, HIDDEN))} units, also in other packages",
        "Fields of more than 254 values are encoded by their targets for the trees",
        *([f"Bins: {bins}"] if bins else []),
        *told.notes,
    ]


def few(split: Split, rows: int) -> Split:
    """So many rows of each part, evenly."""

    def some(part: Dataset) -> Dataset:
        return part.take(np.unique(np.linspace(0, len(part) - 1, rows).astype(np.int64)))

    return Split(some(split.train), some(split.valid), some(split.test))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", help=", ".join(SETS))
    parser.add_argument("--rows", type=int)
    parser.add_argument("--only", action="append", default=[], metavar="MODEL")
    said = parser.parse_args()
    main(said.names, said.rows, said.only)
