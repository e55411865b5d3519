"""tried(): one model pruned by one budget, rule and seed, in a folder of its own that is whole or not there."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

import recprune
from recprune.atomic import replace_folder, standing, write_file
from recprune.data.dataset import Split
from recprune.errors import BudgetError
from recprune.evaluation.evaluate import evaluate
from recprune.evaluation.size import size_of
from recprune.evaluation.timing import timed
from recprune.importance.score import spelled
from recprune.planning.budget import Budget
from recprune.recipe.once import key_of
from recprune.recipe.prune import prune
from recprune.recipe.pruned import as_rule
from recprune.recipe.restrict import restrict
from recprune.recipe.served import made_from
from recprune.recipe.shelf import Shelved, Work, put, take
from recprune.training.options import FitOptions
from recprune.training.usual import Said, changed, settled_tuning

__all__ = ["SAID", "SMALL", "Trial", "tried"]

SAID, SMALL = "trial.json", "small"
"""What a trial's folder holds: its numbers, and the smaller model."""


@dataclass(frozen=True, slots=True)
class Trial:
    """model: the folder of a trained model. data: the prepared folder that it was trained on. budget: None judges the
    model as it is. rule: None takes the usual one. options: of the fine-tuning. own: the class of a model that is not
    ours, as `take` wants it."""

    model: Path
    data: Path
    budget: Budget | None
    rule: str | None
    seed: int
    options: FitOptions | Said | None
    own: str | None = None

    @property
    def key(self) -> str:
        """Tells it apart from all others: by what the model and the data are, not by where they lie."""
        rule = None if self.rule is None else spelled(as_rule(self.rule, self.seed))
        budget = None if self.budget is None else self.budget.to_dict()
        asked = [budget, rule, self.seed, changed(self.options, checkpoint=None), self.own]
        return key_of([recprune.__version__, torch.__version__, made_from(self.model, self.data), asked])


def tried(trials: Sequence[Trial], folder: Path, number: int) -> dict[str, Any]:
    """The numbers of a trial, made and written to a folder in `folder` where they do not stand there.

    Everything is summed up on one thread, so that the numbers do not depend on who makes them. A budget that cannot be
    met is a result too: `refused` says why. Raises what `prune` raises besides.
    """
    trial = trials[number]
    place = folder / trial.key[:16]
    if not (standing(place) / SAID).is_file():
        with _one_thread():
            replace_folder(place, lambda fresh: _write(trial, fresh))
    said: dict[str, Any] = json.loads((standing(place) / SAID).read_text(encoding="utf-8"))
    return {**said, "folder": place.name}


def _write(trial: Trial, fresh: Path) -> None:
    whole = take(trial.model, trial.own, trial.data)
    split = whole.own(whole.split(trial.data))
    try:
        facts = _judged(whole.model, split) if trial.budget is None else _pruned(whole, split, trial, fresh / SMALL)
    except BudgetError as error:
        facts = {"refused": str(error)}
    write_file(fresh / SAID, json.dumps(facts, indent=1).encode())


def _pruned(whole: Shelved, split: Split, trial: Trial, place: Path) -> dict[str, Any]:
    """Prune, write the smaller model and judge it."""
    options = settled_tuning(whole.model, split, changed(trial.options, seed=trial.seed, checkpoint=None))
    made = prune(whole.model, split, budget=trial.budget, rule=trial.rule, options=options, seed=trial.seed)
    works = (*whole.works, *([Work.of("finetune", made.fit, options)] if made.fit else []))
    small = replace(
        whole, model=made.model, vocabularies=made.vocabularies, plan=made.plan, works=works, proof=None, speeds=None
    )
    put(place, replace(small, data=trial.data), seed=trial.seed)
    epochs = 0 if made.fit is None else len(made.fit.history)
    return {"rule": made.plan.rule, "epochs": epochs, **_judged(made.model, restrict(split, made.renumber))}


def _judged(model: nn.Module, split: Split) -> dict[str, Any]:
    features, network, size = size_of(model)
    return {
        "metrics": dict(evaluate(model, split, part="valid").mean),
        "features": features,
        "network": network,
        "bytes": size,
        "request": timed({"": model}, split, rows=1)[""].median,
    }


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
