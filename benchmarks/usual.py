"""What the usual options of each family are worth: `python -m benchmarks.usual [SET] ...`.

Every model that learns step by step is trained with its defaults by `usual_options` and by `FitOptions()` as it is, on
small sets of data, and judged on their test parts. The usual options were chosen on the validation parts of these sets.
Sets are ml-100k-clicks, adult, ml-100k and movietweetings; the rows of sets that are not named stay as they are in the
table. Trainings that are done are kept under benchmarks/runs.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from benchmarks.asked import names_asked
from benchmarks.recipes import adult, ml100k, ml100k_clicks, movietweetings
from benchmarks.result import of_earlier, read_rows, write_result

from recprune.atomic import write_bytes
from recprune.data.dataset import Split
from recprune.evaluation.evaluate import evaluate
from recprune.models.build import build
from recprune.training.fit import FitOptions, fit
from recprune.training.usual import usual_options

__all__ = ["main"]

RUNS = Path(__file__).resolve().parent / "runs"
SEEDS = (0, 1, 2)
ROWS = ("lr", "fm", "deepfm", "wide_deep", "dcn", "autoint", "fgcnn", "neumf")
LISTS = ("mf", "lightgcn", "ultragcn", "fism", "mixture", "caser", "gru4rec", "nextitnet", "sasrec")


class Subject(NamedTuple):
    """title: of the data; folder: where they lie; split: makes the parts; models; metric: they are judged by."""

    title: str
    folder: str
    split: Callable[[], Split]
    models: tuple[str, ...]
    metric: str


SUBJECTS = {
    "ml-100k-clicks": Subject("MovieLens 100K, rating of 4 or more", "ml-100k", ml100k_clicks, (*ROWS, "din"), "auc"),
    "adult": Subject("Adult", "adult", adult, tuple(name for name in ROWS if name != "neumf"), "auc"),
    "ml-100k": Subject("MovieLens 100K, lists", "ml-100k", lambda: ml100k(0.1), LISTS, "ndcg@20"),
    "movietweetings": Subject(
        "MovieTweetings, lists", "movietweetings-100k", lambda: movietweetings(0.1), LISTS, "ndcg@20"
    ),
}


class Done(NamedTuple):
    """Quality on test; seconds of the processor that training took; epochs."""

    value: float
    seconds: float
    epochs: int


def main(names: Sequence[str] = ()) -> None:
    """Measure the sets of those names, all where none is named, and write the table."""
    asked = {name: SUBJECTS[name] for name in names} or SUBJECTS
    now = {one.title: [row(one, model, judged(one, model)) for model in one.models] for one in asked.values()}
    earlier = read_rows("usual", now)
    rows = [line for one in SUBJECTS.values() for line in now.get(one.title) or earlier.get(one.title, [])]
    columns = ["data", "model", "metric", "FitOptions()", "usual", "difference", "standard error"]
    path = write_result(
        "usual",
        "Models as they are trained where nothing is said, beside FitOptions() as it is",
        [*columns, "seconds by FitOptions()", "seconds, usual", "epochs, usual"],
        rows,
        notes=[
            "Of every model its defaults; the metric on test, mean over the seeds; ndcg is NDCG@20 of the next 20 % of "
            "every user. Standard error: of the mean difference over the seeds. Seconds of the processor. FitOptions() "
            "was what was taken before each family had its own. These were chosen on the validation parts of the "
            "same data",
            *of_earlier(earlier),
        ],
        data=sorted({one.folder for one in SUBJECTS.values() if any(line[0] == one.title for line in rows)}),
        seeds=SEEDS,
    )
    print(f"written: {path}")


def judged(subject: Subject, model: str) -> Mapping[str, list[Done]]:
    """What each way of training came to, seed by seed."""
    path = RUNS / f"usual-{subject.folder}-{subject.metric}-{model}.json"
    if not path.exists():
        print(f"{subject.title}: {model}", flush=True)
        split = subject.split()
        found = {way: [trained(subject, model, split, way, seed) for seed in SEEDS] for way in ("plain", "usual")}
        path.parent.mkdir(exist_ok=True)
        write_bytes(path, json.dumps(found).encode())
    return {way: [Done(*one) for one in runs] for way, runs in json.loads(path.read_text(encoding="utf-8")).items()}


def trained(subject: Subject, name: str, split: Split, way: str, seed: int) -> Done:
    """One training, judged."""
    model = build(name, split, seed=seed)
    options = usual_options(model, split) if way == "usual" else FitOptions()
    begin = time.process_time()
    done = fit(model, split, replace(options, seed=seed))
    seconds = time.process_time() - begin
    return Done(float(evaluate(model, split, k=20).mean[subject.metric] or 0.0), seconds, len(done.history))


def row(subject: Subject, model: str, found: Mapping[str, list[Done]]) -> list[object]:
    """Means over the seeds."""
    plain, usual = ([done.value for done in found[way]] for way in ("plain", "usual"))
    apart = [one - other for one, other in zip(usual, plain, strict=True)]
    error = float(np.std(apart, ddof=1)) / math.sqrt(len(apart))
    seconds = [float(np.mean([done.seconds for done in found[way]])) for way in ("plain", "usual")]
    return [
        subject.title,
        model,
        subject.metric,
        *(round(float(np.mean(values)), 4) for values in (plain, usual, apart)),
        round(error, 4),
        *(round(value, 1) for value in seconds),
        round(float(np.mean([done.epochs for done in found["usual"]])), 1),
    ]


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(names_asked("usual", SUBJECTS))
