"""Item-item matrices in 1/20 to 1/100 of their bytes: `python -m benchmarks.item_item [ml-1m] [amazon-book]`.

Each set writes results/item_item_NAME.json. The ridge strength is chosen on validation, on the items that occur most
where there are many; then, unless that takes too long, the model learns from train and validation together. The test
part is read once a model, after everything was chosen. What was measured is kept under benchmarks/runs: a run that was
stopped goes on there.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.item_item_rivals import ByItem, rivals, sansa, weight_of
from benchmarks.recipes_lists import books, movies
from benchmarks.result import write_result
from torch import Tensor, nn

from recprune.atomic import write_bytes
from recprune.data.dataset import Dataset, Split
from recprune.encodings.item_bytes import ItemBytes
from recprune.encodings.spelled import spelled
from recprune.evaluation.evaluate import evaluate
from recprune.evaluation.paired import standard_error
from recprune.evaluation.scores import Scores
from recprune.evaluation.size import size_of
from recprune.evaluation.timing import timed
from recprune.models.ease import Ease
from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.recipe.restrict import restrict

__all__ = ["main"]

RUNS = Path(__file__).resolve().parent / "runs"
SHARES = (20, 50, 100)
MANY = 8_000


@dataclass(frozen=True, slots=True)
class Bench:
    """title; how the data is parted for choosing; ridge strengths to choose from; k of the lists; whether what stays is
    solved again; whether the pruned model learns from validation too."""

    title: str
    split: Callable[[bool], Split]
    regs: tuple[float, ...]
    k: int
    solved: bool
    joined: bool


BENCHES = {
    "ml-1m": Bench("EASE on MovieLens 1M", movies, (200.0, 300.0, 500.0, 700.0, 1000.0), 10, True, True),
    "amazon-book": Bench("EASE on Amazon Book", books, (50.0, 100.0, 200.0, 400.0), 20, False, False),
}


def main(names: list[str]) -> None:
    """Measure the sets of those names, all where none is named."""
    for name in names or list(BENCHES):
        bench = BENCHES[name]
        given = bench.split(True)
        reg, tried = once(f"{name}-reg", lambda bench=bench, given=given: chosen_reg(bench, given))
        none = given.valid.take(np.zeros(len(given.valid), bool))
        split = Split(joined(given.train, given.valid), none, given.test) if bench.joined else given
        rows = measured(name, bench, split, reg)
        path = write_result(
            f"item_item_{name}",
            f"{bench.title}: the item-item matrix in a {', '.join(f'{s}th' for s in SHARES)} of its bytes",
            ["matrix", "entries", "bytes", "times smaller", *heads(bench.k), "ms a request", "seconds to make"],
            rows,
            notes=notes(bench, split, reg, tried),
            data=["ml-1m" if name == "ml-1m" else "amazon-book-kgat"],
            seeds=(0,),
            command=f"python -m benchmarks.item_item {name}",
        )
        print(f"written: {path}")


def heads(k: int) -> list[str]:
    """Columns of both metrics."""
    return [f"recall@{k}", "of dense, %", "standard error, %", f"ndcg@{k}", "ndcg of dense, %", "its standard error, %"]


def chosen_reg(bench: Bench, given: Split) -> tuple[float, dict[str, float]]:
    """The strength with the best recall on validation, and what each gave, on the MANY most frequent items."""
    split, found = frequent(given), {}
    for reg in bench.regs:
        model = Ease.of(split)
        model.solve_(split.train.histories(), reg, dtype=torch.float32)
        scores = evaluate(ByItem(weight_of(model)), split, "valid", k=bench.k).mean
        found[f"{reg:g}"] = round(float(scores[f"recall@{bench.k}"] or 0.0), 5)
        print(f"  reg {reg:g}: {found[f'{reg:g}']}", flush=True)
    return float(max(found, key=lambda reg: found[reg])), found


def frequent(split: Split) -> Split:
    """The parts without the items that occur least in train, where there are more than MANY."""
    counts = np.bincount(split.train["item"], minlength=split.train.n_items)
    stays = np.isin(np.arange(len(counts)), np.argsort(-counts, kind="stable")[:MANY])
    stays[0] = False
    return split if len(counts) <= MANY else restrict(split, {"item": np.where(stays, np.cumsum(stays), 0)})


def joined(first: Dataset, then: Dataset) -> Dataset:
    """Both, one after the other."""
    return replace(first, columns={name: np.concatenate([first[name], then[name]]) for name in first.columns})


def once(name: str, make: Callable[[], Any]) -> Any:
    """What was made under this name in an earlier run, or made now."""
    path = RUNS / f"item_item-{name}.json"
    if not path.exists():
        RUNS.mkdir(exist_ok=True)
        write_bytes(path, json.dumps(make()).encode())
    return json.loads(path.read_text(encoding="utf-8"))


def measured(name: str, bench: Bench, split: Split, reg: float) -> list[list[object]]:
    """A row for every matrix; the dense one is solved once and kept in a file."""
    dense, held, begin = Ease.of(split), RUNS / f"item_item-{name}-{reg:g}.pt", time.perf_counter()
    if held.exists():
        dense.load_state_dict(torch.load(held, mmap=True))
        dense.config["reg"] = reg
    else:
        dense.solve_(split.train.histories(), reg, dtype=torch.float32)
        torch.save(dense.state_dict(), held)
    seconds = once(f"{name}-{reg:g}-seconds", lambda: time.perf_counter() - begin)
    served = ByItem(weight_of(dense))
    base = evaluate(served, split, "test", k=bench.k)
    heavy = 4 * split.train.n_items**2
    rows = [row("dense", heavy // 4, heavy, heavy, base, base, bench.k, seconds)]
    for bits in (8, 4):
        label = f"dense, {bits} bits an entry"
        rows.append(once(f"{name}-{reg:g}-{label}", lambda b=bits, n=label: rounded(n, b, dense, split, base, bench.k)))
    fast: dict[str, nn.Module] = {"dense": dense, "dense, rows of the history added": served}
    for share in SHARES:
        budget, solved = Budget(bytes=heavy // share), bench.solved
        for label, make in rivals(dense, split, budget, solved):
            key, label = f"{name}-{reg:g}-{share}-{label}", f"1/{share}: {label}"
            kept = RUNS / f"item_item-{key}.pt"
            rows.append(once(key, lambda m=make, n=label, k=kept: judged(n, m, split, base, bench.k, heavy, k)))
            if label.endswith("pruned"):
                fast[label] = torch.load(kept, weights_only=False)
        if "RECPRUNE_SANSA" in os.environ:
            key, label, entries = f"{name}-{reg:g}-{share}-sansa", f"1/{share}: SANSA", int(str(rows[-1][1]))
            rows.append(once(key, lambda n=label, e=entries: by_sansa(n, split, base, bench.k, reg, e)))
    speed = timed(fast, split, rows=1, part="test", k=bench.k, repeats=30, seconds=20.0)
    for one in rows:
        one[-2] = round(speed[str(one[0])].median, 3) if one[0] in speed else None
    added = "dense, rows of the history added"
    rows.insert(1, [added, *rows[0][1:-2], round(speed[added].median, 3), None])
    return rows


def rounded(label: str, bits: int, dense: Ease, split: Split, base: Scores, k: int) -> list[object]:
    """The whole matrix in fewer bits, a scale a row."""
    weight = weight_of(dense)
    begin, codes = time.perf_counter(), spelled(f"int{bits}_rows").encode(weight)
    seconds, size = time.perf_counter() - begin, sum(part.numel() * part.element_size() for part in codes.buffers())
    found = evaluate(ByItem(codes.dense()), split, "test", k=k)
    return row(label, weight.numel(), size, 4 * weight.numel(), found, base, k, seconds)


def by_sansa(label: str, split: Split, base: Scores, k: int, reg: float, entries: int) -> list[object]:
    """The product of the factors of SANSA."""
    begin, n = time.perf_counter(), split.train.n_items
    weight, held = sansa(split, reg, entries)
    seconds = time.perf_counter() - begin
    found = evaluate(ByItem(weight.fill_diagonal_(0.0)), split, "test", k=k)
    size = ItemBytes.stored_bytes((n, n), entries=held) + 8 * n
    return row(label, held, size, 4 * n * n, found, base, k, seconds)


def judged(
    label: str, make: Callable[[], tuple[nn.Module, Plan]], split: Split, base: Scores, k: int, heavy: int, kept: Path
) -> list[object]:
    """Make a matrix, keep it where it is the pruned one, and judge it."""
    begin = time.perf_counter()
    model, made = make()
    seconds, account = time.perf_counter() - begin, made.account()
    if label.endswith("pruned"):
        torch.save(model, kept)
    decoded: Tensor = model.get_submodule("items").weight  # type: ignore[assignment]
    found = evaluate(ByItem(decoded), split, "test", k=k)
    if account.bytes_after != size_of(model)[2]:
        raise ValueError(
            f"{label}: the account says {account.bytes_after:,} bytes, its tensors take {size_of(model)[2]:,}"
        )
    return row(label, account.parameters_after, account.bytes_after, heavy, found, base, k, seconds)


def row(
    label: str, entries: int, size: int, heavy: int, found: Scores, base: Scores, k: int, seconds: float
) -> list[object]:
    """The cells of a matrix; what is lost is in percent of the dense one, with its paired standard error."""
    cells: list[object] = [label, entries, size, round(heavy / size, 1)]
    for metric in (f"recall@{k}", f"ndcg@{k}"):
        value, before = float(found.mean[metric] or 0.0), float(base.mean[metric] or 0.0)
        apart = standard_error(metric, base.parts[metric], found.parts[metric]) if found is not base else None
        cells += [round(value, 5), round(100 * (value / before - 1), 2)]
        cells += [None if apart is None else round(100 * apart / before, 2)]
    print(f"  {cells}", flush=True)
    return [*cells, None, round(seconds, 1)]


def notes(bench: Bench, split: Split, reg: float, tried: dict[str, float]) -> list[str]:
    """What to know before reading the table."""
    on = f" on the {MANY:,} most frequent items" if split.train.n_items > MANY else ""
    return [
        "To reach: 50 times smaller within 1 % of recall",
        f"All {split.train.n_items - 1:,} items are ranked for all users with a test item, the history left out",
        f"Ridge strength {reg:g}, by recall@{bench.k} on validation{on}: "
        + ", ".join(f"{strength} {value}" for strength, value in tried.items()),
        f"The model learns from train{' and validation together' if bench.joined else ' alone'}, histories hold both; "
        "each matrix meets the test part once",
        "Pruned: rule refit_increase, stored by item_bytes; bytes hold values, places, counts, starts and scales",
        "Lists are made of the decoded entries, times by the packed ones",
        "Solved again: by ridge of the same strength, on the entries that stay" if bench.solved else "",
        "SANSA (benchmarks/peers_sansa.py): same strength, entries of both factors counted once and in two bytes"
        if "RECPRUNE_SANSA" in os.environ
        else "",
        "" if bench.solved else "Nothing is solved again: it would take longer than the dense solution",
    ]


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
