"""Recommenders of sequences, as they are and in a fraction of their bytes: `python -m benchmarks.sequences [NAME] ...`.

Settings are chosen on validation (benchmarks/recipes_sequences.py), one try at a time:

    python -m benchmarks.sequences --try beauty sasrec lr=1e-3 dropout=0.5 epochs=30

Models are judged on test once each, by one evaluator. What was measured is kept under benchmarks/runs, so that an
interrupted run goes on; `--models item_knn sasrec` measures those alone, beside what the table has of others already,
and prunes nothing; `--shares 5 10` prunes to those shares alone, beside what the table has of others.
RECPRUNE_DEVICE=cuda trains, prunes and judges on a graphics card; times of a request are of the processor all the same.
RecBole's models stand beside ours where benchmarks/sequences_peers.py judged them (among --models, as `recbole`).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Container, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from benchmarks.parts_sequences import Parts
from benchmarks.recipes_sequences import SETS, SequenceData
from benchmarks.result import of_earlier, read_earlier, write_result
from benchmarks.sequences_kept import SEEDS, Stored, judged, kept, one, packed, parts_of, pruned, scratch, seeds
from benchmarks.sequences_peers import PEERS, is_noted, noted, peers
from benchmarks.served import Served, served, told

from recprune.errors import BudgetError
from recprune.surgery import renumber

__all__ = ["main", "tried"]

SHARES = (5, 10, 20, 50)


def main(names: Sequence[str], models: Sequence[str] | None = None, shares: Sequence[int] | None = None) -> None:
    """Measure the sets of those names, all where none is named; of models those that are named, before pruning; where
    shares are named, the best model in those of its bytes alone."""
    for name in names or list(SETS):
        if not shares:
            before(name, SETS[name], models)
        if not models:
            after(name, SETS[name], shares or SHARES)


def tried(name: str, label: str, *settings: str, seed: int = 0) -> dict[str, float | None]:
    """Train a model with some settings changed ("lr=1e-3") and judge it on validation; the test part is not read."""
    data = SETS[name]
    recipe = data.models[label].changed(dict(s.split("=", 1) for s in settings))
    parts, begin = data.parts(True), time.process_time()
    model = recipe.make(parts.learn, seed)
    seconds = time.process_time() - begin
    found = parts.scores(model, data.k).mean
    said = {metric: found[metric] for metric in data.metrics}
    print(f"{name}, {label}, {' '.join(settings)}, seed {seed}: validation {said}, {seconds:.0f} s", flush=True)
    return said


def before(name: str, data: SequenceData, models: Sequence[str] | None = None) -> None:
    """The models as they are, beside what is published, and beside those of RecBole that were judged before. The
    rows of models that are not measured now stay as they are in the table."""
    now: dict[str, list[object]] = {
        label: row(label, [one(name, data, label, seed) for seed in seeds(recipe)], data)
        for label, recipe in data.models.items()
        if not models or label in models
    }
    beside = peers(name) if not models or "recbole" in models else {}
    now |= {label: row(label, found, data) for label, found in beside.items()}
    earlier, notes = read_earlier(f"sequences_{name}", now)
    of_peers = noted(beside) or [note for note in notes if is_noted(note)]
    labels = [label for label in [*data.models, *PEERS] if label in now or label in earlier]
    rows = [now.get(label) or earlier[label] for label in labels]
    written(
        f"sequences_{name}",
        f"{data.title}: recommenders of sequences before pruning",
        ["model", "seeds", "bytes", *data.metrics, f"spread of {data.metrics[0]}", "seconds of the processor"],
        [*([f"published: {who}", None, None, *values, None, None] for who, *values in data.published), *rows],
        [
            *trained_on([row[-1] is None for row in rows]),
            *of_peers,
            *of_earlier(earlier),
            *data.notes,
        ],
        name,
    )


def row(label: str, found: list[dict[str, Any]], data: SequenceData) -> list[object]:
    """Of one model. No seconds where a graphics card trained it."""
    here = all(f.get("device", "cpu") == "cpu" for f in found)
    seconds = round(float(np.mean([f["seconds"] for f in found])), 1) if here else None
    return [label, *cells(found, data), spread(found, data), seconds]


def after(name: str, data: SequenceData, shares: Sequence[int]) -> None:
    """The best model in a fraction of its bytes, beside its rivals. Rows of shares that are not measured now stay as
    they are in the table."""
    first = seeds(data.models[data.best])
    base = [one(name, data, data.best, seed) for seed in first]
    fast: dict[str, Stored] = {data.best: kept(name, data, data.best, first[0])}
    whole = [data.best, *cells(base, data), None, None]
    now = {of_share(share): smaller(name, data, share, base, fast) for share in shares}
    alone: list[list[object]] = []
    for bits in ("int8", "int4"):
        makes = [partial(packed, name, data, bits, seed) for seed in first]
        found = all_judged(f"{name}-{bits}", makes, data, name)
        fast[f"{bits} alone"] = makes[0]()
        alone.append([f"{bits} alone", *cells(found, data), *lost(base, found, data)])
    speed = times(fast, parts_of(name, False), data.k)

    def timed(rows: Sequence[list[object]]) -> list[list[object]]:
        return [[*row, *told(speed.get(str(row[0])))] for row in rows]

    earlier, notes = of_other_shares(f"sequences_small_{name}", now)
    parts = {share: timed(rows) for share, (rows, _) in now.items()} | earlier
    notes += [note for _, said in now.values() for note in said]
    order = sorted(parts, key=place)
    written(
        f"sequences_small_{name}",
        f"{data.title}: {data.best} in a fraction of its bytes",
        [
            *("model", "seeds", "bytes", *data.metrics, f"{data.metrics[0]} minus whole, %", "standard error, %"),
            *("ms a request", "served by", "ms by torch"),
        ],
        [*timed([whole]), *(row for share in order for row in parts[share]), *timed(alone)],
        [
            "Standard errors are of one seed's paired difference over all cases, in the mean over the seeds",
            *sorted(notes, key=lambda note: place(note.partition(":")[0])),
            *of_earlier({str(row[0]): row for rows in earlier.values() for row in rows}),
            *data.notes,
        ],
        name if shares is SHARES else f"{name} --shares {' '.join(str(place(share)) for share in order)}",
    )


def smaller(
    name: str, data: SequenceData, share: int, base: list[dict[str, Any]], fast: dict[str, Stored]
) -> tuple[list[list[object]], list[str]]:
    """Rows and notes of a share: the pruned model, which joins `fast`, and the same size from scratch."""
    recipe, label = data.models[data.best], of_share(share)
    makes = [partial(pruned, name, data, share, seed) for seed in seeds(recipe)]
    try:
        found = all_judged(f"{name}-small-{share}", makes, data, name)
    except BudgetError as error:
        none = [None] * (len(data.metrics) + 3)
        return [[label, 0, *none]], [f"{label}: {str(error).partition(' (')[0]}"]
    fast[label] = makes[0]()
    rows = [[label, *cells(found, data), *lost(base, found, data)]]
    if recipe.options is None:
        return rows, []
    makes = [partial(scratch, name, data, share, seed) for seed in seeds(recipe)]
    again = all_judged(f"{name}-scratch-{share}", makes, data, name)
    rows.append([f"{label}, same size from scratch", *cells(again, data), *lost(base, again, data)])
    return rows, [f"{label}: recall of the pruned minus that from scratch {apart(again, found)}"]


def all_judged(key: str, makes: Sequence[Callable[[], Stored]], data: SequenceData, name: str) -> list[dict[str, Any]]:
    """Seed by seed."""
    return [
        judged(f"{key}-{s}", make, data, name) for s, make in zip(seeds(data.models[data.best]), makes, strict=True)
    ]


def of_share(share: int) -> str:
    """What a model in that fraction is called."""
    return f"1/{share}"


def place(label: str) -> int:
    """Where it stands: the divisor of "1/20" and of "1/20, same size from scratch"."""
    return int(label.partition(",")[0].removeprefix("1/"))


def of_other_shares(file: str, now: Container[str]) -> tuple[dict[str, list[list[object]]], list[str]]:
    """Rows of a table as it is whose share is not measured now, share by share, and its notes on them. They have no
    times, which are those of one run."""
    rows, notes = read_earlier(file, ())
    found: dict[str, list[list[object]]] = {}
    for label, row in rows.items():
        share = label.partition(",")[0]
        if share.startswith("1/") and share not in now:
            found.setdefault(share, []).append([*row[:-3], None, None, None])
    return found, [note for note in notes if note.partition(":")[0] in found]


def written(file: str, title: str, columns: list[str], rows: list[list[object]], notes: Any, asked: str) -> None:
    """A table among the results; asked: behind the command, the name of the set first."""
    path = write_result(
        file,
        title,
        columns,
        rows,
        notes=list(notes),
        data=[SETS[asked.split()[0]].folder],
        seeds=SEEDS,
        command=f"python -m benchmarks.sequences {asked}",
    )
    print(f"written: {path}", flush=True)


def trained_on(elsewhere: list[bool]) -> list[str]:
    """A word on models that were not trained on a processor."""
    return ["Where no seconds are told, a graphics card trained"] if any(elsewhere) else []


def apart(base: list[dict[str, Any]], found: list[dict[str, Any]]) -> str:
    """Mean difference over the seeds, and its standard error over the cases."""
    cases = np.mean([np.array(f["cases"]) - np.array(b["cases"]) for b, f in zip(base, found, strict=True)], axis=0)
    return f"{cases.mean():+.5f} (standard error {cases.std(ddof=1) / len(cases) ** 0.5:.5f})"


def times(models: dict[str, Stored], parts: Parts, k: int) -> dict[str, Served]:
    """Requests to each, in its own codes, side by side."""
    codes = {label: None if plan is None else renumber(plan) for label, (_, plan) in models.items()}
    return served({label: model for label, (model, _) in models.items()}, parts.asked, k, codes=codes)


def cells(found: list[dict[str, Any]], data: SequenceData) -> list[object]:
    """Seeds, bytes, and the metrics in the mean."""
    means = [round(float(np.mean([f["metrics"][m] for f in found])), 4) for m in data.metrics]
    return [len(found), round(float(np.mean([f["bytes"] for f in found]))), *means]


def spread(found: list[dict[str, Any]], data: SequenceData) -> float | None:
    """Standard deviation of the first metric over the seeds."""
    if len(found) < 2:
        return None
    return round(float(np.std([f["metrics"][data.metrics[0]] for f in found], ddof=1)), 5)


def lost(base: list[dict[str, Any]], found: list[dict[str, Any]], data: SequenceData) -> list[object]:
    """Percent of the first metric more than the whole model has, and the standard error of that."""
    apart, error = [], []
    for whole, small in zip(base, found, strict=True):
        mean = whole["metrics"][data.metrics[0]]
        difference = np.array(small["cases"]) - np.array(whole["cases"])
        apart.append(100 * difference.mean() / mean)
        error.append(100 * difference.std(ddof=1) / len(difference) ** 0.5 / mean)
    return [round(float(np.mean(apart)), 2), round(float(np.mean(error)), 2)]


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1:2] == ["--try"]:
        tried(*sys.argv[2:])
    else:
        asked = argparse.ArgumentParser(prog="python -m benchmarks.sequences")
        asked.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(SETS)}; all without")
        asked.add_argument("--models", nargs="+", metavar="MODEL", help="before pruning, these alone")
        asked.add_argument("--shares", nargs="+", metavar="N", type=int, help="the small table of 1/N alone")
        found = asked.parse_args()
        if not set(found.names) <= set(SETS):
            asked.error(f"sets are {', '.join(SETS)}")
        main(**vars(found))
