"""64-dim factors of Gowalla in few bytes, beside what else makes them small: `python -m benchmarks.gowalla`.

Settings were chosen on a tenth of train that was held out (benchmarks/recipes.py says on what); the models measured
here learn from all of train, for a fixed number of epochs, and the test part is read once, when all of them are there.
Every model is kept under benchmarks/runs, so that an interrupted run goes on.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.recipes import gowalla_fism
from benchmarks.result import write_result
from torch import nn

from recprune.artifact import load, save
from recprune.atomic import write_bytes
from recprune.data.dataset import Split
from recprune.evaluation.evaluate import evaluate
from recprune.evaluation.paired import standard_error
from recprune.evaluation.scores import Scores
from recprune.evaluation.size import size_of
from recprune.models.build import build
from recprune.packing import pack
from recprune.planning.budget import Budget
from recprune.recipe.entries import largest_entries, most_entries, pack_sparse
from recprune.recipe.pep import pep
from recprune.recipe.prune import prune
from recprune.recipe.pruned import Pruned
from recprune.training.fit import FitOptions, fit

__all__ = ["main"]

RUNS = Path(__file__).resolve().parent / "runs"
SEEDS = (0, 1, 2)
WHOLE = (29_859 + 40_982) * 64 * 4
"""Bytes of 64 dims in float32 for every user and item, the unknown ones included."""
SHARES = (0.125, 0.1, 1 / 15, 0.05, 1 / 30)
"""Of WHOLE."""
METRICS = ("recall@20", "ndcg@20", "tail_recall@20", "coverage@20")
EPOCHS = 8
"""Of fine-tuning; 3 where the bytes are a tenth or more."""
FLOOR = 2
"""Entries a row that stay in MagPrune. Recall@20 on validation at a twentieth, with 0, 2, 6 and 10: 0.1710, 0.1708,
0.1702 and 0.1614; at a tenth, 0.2033, 0.2033, 0.2033 and 0.2032."""
LONG = SEEDS[:1]
"""Seeds of the rivals that are trained anew for every budget."""
DENSE = "64 dims of items"


def main() -> None:
    """Make all models, then judge them on test."""
    for seed in SEEDS:
        made(seed, most=False)
    runs = [resumed(seed) for seed in SEEDS]
    names = list(dict.fromkeys(name for run in runs for name in run))
    path = write_result(
        "gowalla",
        "Gowalla in few bytes: 64 dims, all users",
        ["model", "bytes", "of 64 dims of users and items", *METRICS, "recall minus dense", "standard error", "seeds"],
        [row([run[name] for run in runs if name in run], name) for name in names],
        notes=notes(),
        data=["gowalla"],
        seeds=SEEDS,
    )
    print(f"written: {path}", flush=True)


def resumed(seed: int) -> dict[str, dict[str, Any]]:
    """What was measured with this seed, or measured now."""
    path = RUNS / f"gowalla-{seed}.json"
    if not path.exists():
        found = measure(seed)
        RUNS.mkdir(exist_ok=True)
        write_bytes(path, json.dumps(found).encode())
    read: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return read


def measure(seed: int) -> dict[str, dict[str, Any]]:
    """All models of one seed, then one look at test."""
    models, split = made(seed)
    base = evaluate(models[DENSE], split, "test", k=20)
    return {name: judged(base, model, split) for name, model in models.items()}


def made(seed: int, most: bool = True) -> tuple[dict[str, nn.Module], Split]:
    """The models of one seed; `most`: those too that are trained anew for every budget, if they are of this seed."""
    dense, split, options = gowalla_fism(seed)
    dense = once(f"{seed}-dense", lambda: trained(dense, split, options))
    models: dict[str, nn.Module] = {DENSE: dense}
    models |= {
        f"{DENSE}, {e.partition('_')[0]}": pack(dense, {"item.weight": e}) for e in ("int8_rows", "int4_rotated_rows")
    }
    limits = {f"1/{1 / share:.0f}": int(share * WHOLE) for share in SHARES}
    for say, limit in limits.items():
        models[f"{say}, recprune"] = once(f"{seed}-ours-{limit}", partial(ours, dense, split, options, limit, seed))
        models[f"{say}, SVD and int8"] = spectral(dense, split, limit)
        models[f"{say}, MagPrune"] = largest_entries(dense, limit, floor=FLOOR, bits=8)
    for say, limit in limits.items() if most and seed in LONG else ():
        models[f"{say}, int4 of fewer dims"] = fewer_dims(split, options, limit, seed)
    for say, limit in limits.items() if most and seed in LONG else ():
        models[f"{say}, PEP"] = once(f"{seed}-pep-{limit}", partial(learned, split, options, limit, seed))
    return models, split


def ours(dense: nn.Module, split: Split, options: FitOptions, limit: int, seed: int) -> Pruned:
    """What recprune makes of a budget: dims, bits and words in one plan, and fine-tuning that knows them."""
    room = (limit - 2 * 256 * 64 * 2 - 1000) // split.train.n_items - 1
    names = ["int8_rows", "int4_rotated_rows", "int2_rotated_rows", f"product_rows(m={min(room, 64)})"]
    tuning = replace(options, epochs=EPOCHS if limit < WHOLE // 10 else 3)
    smaller = prune(dense, split, budget=Budget(bytes=limit), encodings=names, options=tuning, seed=seed)
    print(f"  {smaller.plan.encodings}, {[len(left) for left in smaller.plan.kept.values()]} dims", flush=True)
    return smaller


def fewer_dims(split: Split, options: FitOptions, limit: int, seed: int) -> nn.Module:
    """As many dims as fit in int4, trained at that width for as many epochs as dense and fine-tuning have together."""
    dims = min(64, 2 * (limit // split.train.n_items - 2))
    options = replace(options, epochs=options.epochs + EPOCHS)
    wide = once(f"{seed}-dims-{dims}", lambda: trained(build("fism", split, seed=seed, dim=dims), split, options))
    return pack(wide, {"item.weight": "int4_rotated_rows"})


def spectral(dense: nn.Module, split: Split, limit: int) -> nn.Module:
    """The largest singular directions of the table, as many as fit in int8 (scores do not change when it is turned)."""
    weight: torch.Tensor = dense.item.weight.detach()  # type: ignore[union-attr, assignment]
    dims = min(64, limit // len(weight) - 2)
    turn = torch.linalg.svd(weight, full_matrices=False).Vh[:dims]
    made = build("fism", split, dim=dims)
    with torch.no_grad():
        made.item.weight.copy_(weight @ turn.T)  # type: ignore[union-attr, operator]
    return pack(made, {"item.weight": "int8_rows"})


def learned(split: Split, options: FitOptions, limit: int, seed: int) -> nn.Module:
    """PEP: entries that training under a soft threshold finds, trained anew alone; as many as fit as bytes."""
    made = build("fism", split, seed=seed)
    half = replace(options, epochs=6)
    return pack_sparse(pep(made, split, most_entries(made, limit, bits=8), options=half), bits=8)


def trained(model: nn.Module, split: Split, options: FitOptions) -> nn.Module:
    """The same model, trained."""
    fit(model, split, options)
    return model


def once(name: str, make: Callable[[], nn.Module | Pruned]) -> nn.Module:
    """A model that was made before, or made now and kept."""
    folder = RUNS / f"gowalla-{name}"
    if not folder.exists():
        RUNS.mkdir(exist_ok=True)
        done = make()
        model, chosen = (done.model, done.plan) if isinstance(done, Pruned) else (done, None)
        save(folder, model, plan=chosen)
        print(f"{name}: {sum(path.stat().st_size for path in folder.iterdir()):,} bytes", flush=True)
    return load(folder).model


def judged(base: Scores, model: nn.Module, split: Split) -> dict[str, Any]:
    """Bytes, metrics, and the paired difference over all users."""
    found = evaluate(model, split, "test", k=20)
    mine, theirs = found.parts["recall@20"], base.parts["recall@20"]
    return {
        "bytes": size_of(model)[2],
        "metrics": {name: found.mean[name] for name in METRICS},
        "apart": float(found.mean["recall@20"] or 0.0) - float(base.mean["recall@20"] or 0.0),
        "error": standard_error("recall@20", theirs, mine),
    }


def row(found: list[dict[str, Any]], name: str) -> list[object]:
    """Means over the seeds; the standard error is of one seed's paired difference over users, in the mean."""
    size = float(np.mean([one["bytes"] for one in found]))
    cells: list[object] = [name, round(size), round(size / WHOLE, 4)]
    cells += [round(float(np.mean([one["metrics"][m] for one in found])), 4) for m in METRICS]
    cells += [round(float(np.mean([one[what] for one in found])), 5) for what in ("apart", "error")]
    return [*cells, len(found)]


def notes() -> list[str]:
    """What to know before reading the table."""
    return [
        "To reach: recall@20 within 0.5 % of dense at a tenth, 2 % at a twentieth, and never below a rival",
        f"64 dims in float32 of all users and items are {WHOLE:,} bytes: what factor models of this data are published "
        "with. The dense model here needs no user table, for a user is the sum of the items of the history; every row "
        "of the table is made so",
        "recprune: a budget in bytes, dims and encodings in one plan, "
        f"{EPOCHS} epochs of fine-tuning (3 for a tenth and more) in which weights act as they will be stored. int4 of "
        "fewer dims: "
        "trained at that width for as many epochs as both together. MagPrune and PEP: entries as bytes, "
        "with a mask; MagPrune's floor a row is chosen on validation. PEP: 6 epochs of search and 6 of training. One "
        "seed of int4 and of PEP, for each takes as long as dense",
    ]


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
