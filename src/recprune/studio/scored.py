"""scored(): what a rule says of every unit, kept, so that a plan for any budget takes a moment."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from recprune.data.dataset import Split
from recprune.importance.score import Rule, score, spelled
from recprune.planning.joint import Step, encoding_steps
from recprune.planning.measured import measured
from recprune.recipe.probing import code_counts, probe
from recprune.recipe.pruned import as_rule, followed
from recprune.recipe.stages import Stage, silent
from recprune.tracing.site import Kind, Site, Survey

__all__ = ["Scored", "scored", "steps_of"]

MEASURED = 4_000_000
"""Entries of a matrix, where they are all that can leave, up to which their worth is measured too."""

LOSSES = {"bce": "log loss", "mse": "mean squared error", "multinomial": "log loss of the items"}


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """What a rule says of a model.

    rule: as a plan spells it. scores: by which units leave. worth: the same as rises of the loss that add up
    (`measured`), None where there are too many entries to measure. loss: of the model as it is, on `rows` rows (or
    users) of the data; unit: what it is, in words.
    """

    rule: str
    scores: Mapping[str, Tensor]
    worth: Mapping[str, Tensor] | None
    loss: float
    rows: int
    unit: str


def scored(
    model: nn.Module, split: Split, found: Survey, rule: str | Rule, *, seed: int = 0, stage: Stage = silent
) -> Scored:
    """Ask a rule about all units, and measure what it says where several kinds or sites compete, as `plan` does.

    The model is copied first: rules leave units out of what they are given while others may use it. split: in the
    codes of the model. Raises SurveyError where the rule cannot score a site.
    """
    own, made = copy.deepcopy(model), as_rule(rule, seed)
    with stage("score") as say:
        asked = probe(own, found, split, seed=seed)
        scores = score(followed(found, split), made, asked, progress=lambda done, n, site: say(f"{site}, {done}/{n}"))
        say(f"{len(scores)} site{'s' if len(scores) != 1 else ''}")
    worth: Mapping[str, Tensor] | None = None
    if _few([found.site(name) for name in scores]):
        with stage("measure what leaves") as say:
            counts = code_counts(split)
            worth = measured(
                own, found, scores, asked, counts=counts, progress=lambda done, n, site: say(f"{site}, {done}/{n}")
            )
    rows, unit = sum(len(inputs[0]) for inputs, _ in asked.batches), str(getattr(asked.criterion, "__name__", "loss"))
    by = worth if worth is not None and len(scores) > 1 else scores
    return Scored(spelled(made), by, worth, asked.loss, rows, LOSSES.get(unit, unit))


def steps_of(
    model: nn.Module, split: Split, found: Survey, *, seed: int = 0, stage: Stage = silent
) -> tuple[Step, ...]:
    """What each matrix costs and saves in fewer bits, for budgets in bytes."""
    own = copy.deepcopy(model)
    with stage("measure bits") as say:
        return tuple(encoding_steps(own, found, probe(own, found, split, seed=seed), say=say))


def _few(sites: list[Site]) -> bool:
    """Whether all of it is measured: several sites have to be, one of single entries if there are not too many."""
    return len(sites) > 1 or any(site.kind is not Kind.ENTRY or site.size <= MEASURED for site in sites)
