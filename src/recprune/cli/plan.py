"""recprune plan: what stays of a model, by a budget and a rule; nothing is changed yet."""

from __future__ import annotations

import sys

from recprune.cli._budget import BudgetOptions
from recprune.cli._guard import Answer
from recprune.cli._options import Common, Data, Model, Out, Own
from recprune.cli._progress import stage

__all__ = ["plan"]
PLACE = 4


def plan(model: Model, out: Out, wanted: BudgetOptions, common: Common, data: Data = None, own: Own = None) -> Answer:
    """Choose what stays of a model and write it down; the model is not changed.

    Under torchrun its workers score together: torchrun --nproc-per-node 4 -m recprune plan ...
    """
    from recprune.atomic import write_bytes
    from recprune.cli._place import file_at
    from recprune.cli._show import planned
    from recprune.recipe.prune import plan
    from recprune.recipe.shelf import take
    from recprune.recipe.stages import silent
    from recprune.training.together import joined

    file_at(out)
    budget, shelved = wanted.budget(), take(model, own, data)
    split = shelved.own(shelved.split(data))
    with joined() as workers:
        chosen = plan(
            shelved.model,
            split,
            budget=budget,
            rule=wanted.rule,
            encodings=wanted.encodings,
            seed=common.seed,
            stage=silent if workers.rank else stage,
            workers=workers,
        )
        if workers.rank:
            sys.exit()
    write_bytes(out, chosen.to_json().encode())
    facts, shown = planned(chosen)
    return Answer({"plan": str(out), "seed": common.seed, **facts}, shown)
