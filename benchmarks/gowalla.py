"""Recommenders of Gowalla in few bytes, beside what else makes them small: `python -m benchmarks.gowalla [SEED] ...`.

Settings were chosen on a tenth of train that was held out (benchmarks/recipes.py says on what); the models measured
here learn from all of train, for a fixed number of epochs, and the test part is read once, when all of them are there.
Every model is kept under benchmarks/runs, so that an interrupted run goes on.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
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
from recprune.evaluation.inputs import example
from recprune.evaluation.paired import standard_error
from recprune.evaluation.scores import Scores
from recprune.evaluation.size import size_of
from recprune.importance.probe import Probe
from recprune.importance.rules.coherence import Coherence
from recprune.importance.score import score, spelled
from recprune.models.build import build
from recprune.packing import pack
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.planning.plan import Plan
from recprune.recipe.entries import largest_entries, most_entries, pack_sparse
from recprune.recipe.pep import pep
from recprune.recipe.pruned import Pruned, carry_out
from recprune.tracing.site import Kind
from recprune.tracing.trace import survey
from recprune.training.fit import FitOptions, fit

__all__ = ["main"]

RUNS = Path(__file__).resolve().parent / "runs"
SEEDS = (0, 1, 2)
WHOLE = (29_859 + 40_982) * 64 * 4
"""Bytes of 64 dims in float32 for every user and item, the unknown ones included."""


@dataclass(frozen=True, slots=True)
class Small:
    """Groups of `product_rows`; how pairs are stored in the rest of the bytes; epochs and step size of fine-tuning;
    most bytes, where they are fewer than the rivals have."""

    groups: int
    pairs: str = "pair_bits"
    epochs: int = 5
    rate: float = 0.006
    most: int = 2**31


SMALL = {
    0.125: Small(32),
    0.1: Small(26),
    1 / 15: Small(16),
    0.05: Small(10, "pair_gaps", 20, 0.012, 899_999),
    1 / 30: Small(12),
}
"""Share of WHOLE -> settings; at a 30th there are no pairs.

Recall@20 / NDCG@20 on validation, where 64 dims have 0.2109 / 0.1128: at a tenth, 28 groups: 0.2201 / 0.1177; at a
30th, 8: 0.1616 / 0.0892, against 0.1972 / 0.1032 of 13 groups without pairs. At a twentieth, 8 groups and `pair_bits`:
0.2094 / 0.1112; with an eighth more pairs, as `pair_gaps` has: 0.2092 / 0.1104, 20 epochs: 0.2123 / 0.1120, books that
weigh rows by how often they are had, and by their lengths: 0.2126 / 0.1134, 40 epochs: 0.2135 / 0.1138, 20 at 0.012:
0.2135 / 0.1134; 6 groups: 0.2097 / 0.1113, 12: 0.2104 / 0.1140, 10: 0.2130 / 0.1141, and at 0.012: 0.2143 / 0.1149.
"""
ARRANGED = 2
"""Times that users are put into another order, where `pair_gaps` then holds more pairs."""
ANEW = 23
"""Epochs of the rivals of fewer dims, 3 more than dense and fine-tuning have together."""
METRICS = ("recall@20", "ndcg@20", "tail_recall@20", "coverage@20")
FLOOR = 2
"""Entries a row that stay in MagPrune. Recall@20 on validation at a twentieth, with 0, 2, 6 and 10: 0.1710, 0.1708,
0.1702 and 0.1614; at a tenth, 0.2033, 0.2033, 0.2033 and 0.2032."""
LONG = SEEDS[:1]
"""Seeds of the rivals that are trained anew for every budget."""
DENSE = "64 dims of items"
MIXED = "mixture: 64 dims and all pairs"


def main(seeds: tuple[int, ...] = SEEDS) -> None:
    """Make and judge the models of some seeds; the table, where these are all."""
    runs = [resumed(seed) for seed in seeds]
    if seeds != SEEDS:
        return
    names = list(dict.fromkeys(name for run in runs for name in run))
    apart = ["recall minus dense", "standard error", "NDCG minus dense", "standard error of it"]
    path = write_result(
        "gowalla",
        "Gowalla in few bytes, all users",
        ["model", "bytes", "of 64 dims of users and items", *METRICS, *apart, "seeds"],
        [row([run[name] for run in runs if name in run], name) for name in names],
        notes=notes(),
        data=["gowalla"],
        seeds=SEEDS,
    )
    print(f"written: {path}", flush=True)


def resumed(seed: int) -> dict[str, dict[str, Any]]:
    """What was measured with this seed, or measured now."""
    path = RUNS / f"gowalla-measured-{seed}.json"
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


def made(seed: int) -> tuple[dict[str, nn.Module], Split]:
    """The models of one seed; those too that are trained anew for every budget, if they are of this seed."""
    dense, split, options = gowalla_fism(seed)
    dense = once(f"fism-{seed}", lambda: trained(dense, split, options))
    mixed = remembering(dense, split)
    models: dict[str, nn.Module] = {MIXED: mixed, DENSE: dense}
    models |= {
        f"{DENSE}, {e.partition('_')[0]}": pack(dense, {"item.weight": e}) for e in ("int8_rows", "int4_rotated_rows")
    }
    limits = {share: int(share * WHOLE) for share in SMALL}
    for share, limit in limits.items():
        say = f"1/{1 / share:.0f}"
        whole = mixed if share > 1 / 30 else dense
        bytes_ = min(limit, SMALL[share].most)
        ours = partial(smaller, whole, split, options, bytes_, SMALL[share])
        models[f"{say}, recprune"] = once(f"small-{bytes_}-{seed}", ours)
        models[f"{say}, SVD and int8"] = spectral(dense, split, limit)
        models[f"{say}, MagPrune"] = largest_entries(dense, limit, floor=FLOOR, bits=8)
        if seed in LONG:
            models[f"{say}, int4 of fewer dims"] = fewer_dims(split, options, limit, seed)
            models[f"{say}, PEP"] = once(f"pep-{limit}-{seed}", partial(learned, split, options, limit, seed))
    return models, split


def remembering(dense: nn.Module, split: Split) -> nn.Module:
    """`mixture` of these factors, which it would have trained alike, and of all pairs."""
    found = build("mixture", split, dim=64, memory="users", start="random")
    found.start_(split.train.histories())  # type: ignore[operator]
    with torch.no_grad():
        found.item.weight.copy_(dense.item.weight)  # type: ignore[union-attr, operator, arg-type]
    return found.eval()


def smaller(model: nn.Module, split: Split, options: FitOptions, limit: int, how: Small) -> Pruned:
    """Factors in so many groups, as many pairs as there is room for, and fine-tuning that knows the groups."""
    plan = planned(model, split, limit, how)
    for _ in range(ARRANGED if how.pairs == "pair_gaps" and plan.kept else 0):
        model = model.arranged(plan.kept["items.entry"])  # type: ignore[operator]
        plan = planned(model, split, limit, how)
    small = carry_out(model, split, plan, options=replace(options, epochs=how.epochs, lr=how.rate))
    print(f"  {limit}: {how}, {[len(left) for left in small.plan.kept.values()]} pairs", flush=True)
    return small


def planned(model: nn.Module, split: Split, limit: int, how: Small) -> Plan:
    """Which pairs stay."""
    found = survey(model, example(model, split))
    codes = {"item.weight": f"product_rows(m={how.groups})"}
    if any(site.kind is Kind.ENTRY for site in found.sites):
        codes["items.values"] = how.pairs
    only = Budget(bytes=limit, kinds=frozenset({Kind.ENTRY}))
    scores = score(found, Coherence(), Probe(model, found), kinds=only.kinds)
    return choose(found, scores, only, rule=spelled(Coherence()), encodings=codes)


def fewer_dims(split: Split, options: FitOptions, limit: int, seed: int) -> nn.Module:
    """As many dims as fit in int4, trained at that width."""
    dims = min(64, 2 * (limit // split.train.n_items - 2))
    options = replace(options, epochs=ANEW)
    wide = once(f"dims-{dims}-{seed}", lambda: trained(build("fism", split, seed=seed, dim=dims), split, options))
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
    out: dict[str, Any] = {"bytes": size_of(model)[2], "metrics": {name: found.mean[name] for name in METRICS}}
    for name in ("recall", "ndcg"):
        mine, theirs = found.parts[f"{name}@20"], base.parts[f"{name}@20"]
        apart = float(found.mean[f"{name}@20"] or 0.0) - float(base.mean[f"{name}@20"] or 0.0)
        out |= {name: apart, f"{name} error": standard_error(f"{name}@20", theirs, mine)}
    print(f"  {out['bytes']:,} bytes: {out['metrics']}", flush=True)
    return out


def row(found: list[dict[str, Any]], name: str) -> list[object]:
    """Means over the seeds; the standard error is of one seed's paired difference over users, in the mean."""
    size = float(np.mean([one["bytes"] for one in found]))
    cells: list[object] = [name, round(size), round(size / WHOLE, 4)]
    cells += [round(float(np.mean([one["metrics"][m] for one in found])), 4) for m in METRICS]
    told = ("recall", "recall error", "ndcg", "ndcg error")
    cells += [round(float(np.mean([one[what] for one in found])), 5) for what in told]
    return [*cells, len(found)]


def notes() -> list[str]:
    """What to know before reading the table."""
    return [
        "To reach: recall@20 and NDCG@20 within 0.5 % of 64 dims at a tenth, 2 % at a twentieth, never below a rival",
        f"64 dims in float32 of all users and items are {WHOLE:,} bytes: what factor models of this data are published "
        "with. The dense model here (fism) needs no user table, for a user is the sum of the items of the history; "
        "every row of the table is made so",
        "recprune: factors in the bytes of `product_rows`, and in the rest of the bytes the pairs of user and item "
        "that `mixture` walks along, those that the rule `coherence` finds, by `pair_bits` (at a 30th none); groups "
        "and bytes were chosen on validation; 5 epochs of fine-tuning in which factors act as they will be stored. At "
        "a twentieth, chosen later, pairs by `pair_gaps`, users in an order in which they take less, books that weigh "
        "items by how often they are had, and 20 epochs. int4 of fewer dims: trained at that width for 3 epochs "
        "more than both have together. MagPrune and "
        "PEP: entries as bytes, with a mask; MagPrune's floor a row is chosen on validation. PEP: 6 epochs of search "
        "and 6 of training. One seed of int4 and of PEP, for each takes as long as dense",
        "Magnitudes mislead where the rows of what many had are made shorter, as here: on factors that were not, whose "
        "recall was 0.1792, MagPrune had 0.1786, 0.1768, 0.1697, 0.1600 and 0.1344 with the same bytes",
        "LightGCN (64 dims of users and items, 18.1 MB, published): 0.1830 / 0.1554; SimpleX 0.1872 / 0.1557",
    ]


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(tuple(int(seed) for seed in sys.argv[1:]) or SEEDS)
