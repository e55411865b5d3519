"""run_seeds(): the whole street once a seed, and one proof of all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recprune.atomic import write_bytes
from recprune.data.log import Log
from recprune.errors import DataError
from recprune.evaluation.comparison import Comparison
from recprune.evaluation.seeds import over_seeds
from recprune.recipe.influences import with_influence
from recprune.recipe.once import alone, key_of, once
from recprune.recipe.run import Order, Result, prepared, street
from recprune.recipe.serving_times import ServingTimes
from recprune.recipe.stages import Stage, silent

__all__ = ["Seeds", "run_seeds"]


@dataclass(frozen=True, slots=True, eq=False)
class Seeds:
    """results: seed -> what its street gave, in `folder`/seed-N. comparison: all of them as one (`over_seeds`)."""

    folder: Path
    results: Mapping[int, Result]
    comparison: Comparison

    @property
    def first(self) -> Result:
        """What the first seed gave."""
        return next(iter(self.results.values()))

    @property
    def small(self) -> Path:
        """The folder of the smaller model of the first seed."""
        return self.first.small

    @property
    def served(self) -> ServingTimes | None:
        """How long requests take of the models of the first seed."""
        return self.first.served


def run_seeds(
    read: Callable[[], Mapping[str, Log]],
    order: Order,
    out: Path,
    seeds: Sequence[int] = (0, 1, 2),
    *,
    source: object = None,
    stage: Stage = silent,
) -> Seeds:
    """Train, plan, apply, fine-tune and compare once a seed, rivals included; `order.seed` does not count. What serves
    is timed of the first.

    All seeds share `out`/prepared, so that they are judged on the same cases. Stages that stand in `out` already are
    not done again, as in `run`, and more seeds can be added later. Raises DataError for fewer than two seeds, or one
    twice, and what `run` raises.
    """
    if len(set(seeds)) < max(len(seeds), 2):
        raise DataError(f"several seeds, each once, not {list(seeds)}", seeds=tuple(seeds))
    results, found = {}, []
    with alone(out):
        key = prepared(read, order, out, source=source, stage=stage)
        for seed in seeds:
            mine = replace(order, seed=seed, bench=order.bench and seed == seeds[0])
            place = out / f"seed-{seed}"
            place.mkdir(exist_ok=True)
            cases = place / "cases.npz"
            results[seed] = street(mine, out / "prepared", place, key, cases=cases, stage=stage)
            found.append(with_influence(results[seed].comparison, cases))
        together, pooled = over_seeds(found), out / "comparison.json"
        proofs = key_of([one.to_json() for one in found])
        once(out, pooled, proofs, "over seeds", lambda _: write_bytes(pooled, together.to_json().encode()))
    return Seeds(out, results, together)
