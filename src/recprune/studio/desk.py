"""Desk: one model with its data, and what a person has asked, measured and made of it so far."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import recprune.importance.rules as rules
from recprune import artifact, discover
from recprune.atomic import standing
from recprune.data.dataset import Split
from recprune.errors import BudgetError, DataError
from recprune.evaluation.evaluate import task_of
from recprune.evaluation.inputs import example, ranks
from recprune.planning.budget import Budget
from recprune.planning.joint import Step
from recprune.planning.plan import Plan
from recprune.recipe.decide import entries_alone
from recprune.recipe.frontier import FACTORS
from recprune.recipe.pruned import followed, usual_budget, usual_rule
from recprune.recipe.shelf import Shelved, take
from recprune.recipe.stages import Stage, silent
from recprune.studio.beside import Beside, some_users
from recprune.studio.job import Job, Line
from recprune.studio.measured import Made
from recprune.studio.messages import Apply, Wish
from recprune.studio.refusals import Refused
from recprune.studio.scored import Scored
from recprune.studio.searches import Searches
from recprune.studio.sketch import estimated, sketch
from recprune.studio.told import told
from recprune.studio.work import measure_, score_, seek_, write_
from recprune.tracing.site import Survey
from recprune.tracing.trace import survey
from recprune.training.usual import TUNING

__all__ = ["Desk", "desk_of"]


@dataclass(eq=False)
class Desk:
    """What lies on it. whole: the model; data: its data, split: the same in the model's codes, folder: where it lies.
    out: the folder that smaller models go to. found: what can leave. rule: that is asked first. own: the class of a
    model that is not ours. scores: rule -> what it said; steps: what matrices cost in fewer bits; searches: for budgets
    that have to be measured; last: the smaller model that was made last, beside: it and the large one, asked for
    lists. facts: of the model, as its folder had them."""

    whole: Shelved
    data: Split
    folder: Path
    out: Path
    found: Survey
    rule: str
    own: str | None = None
    k: int = 20
    seed: int = 0
    threads: int | None = None
    line: Line = field(default_factory=Line)
    scores: dict[str, Scored] = field(default_factory=dict)
    steps: tuple[Step, ...] | None = None
    searches: Searches = field(default_factory=Searches)
    last: Made | None = None
    beside: tuple[Made, Beside] | None = None
    split: Split = field(init=False)
    facts: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.split = self.whole.own(self.data)
        said = artifact.inspect(self.whole.folder)  # once: what lies on the desk stays, whatever becomes of its folder
        self.facts = {name: said[name] for name in ("model", "parameters", "bytes")}

    @property
    def rules(self) -> tuple[str, ...]:
        """Rules that may be asked: those there are, and the one that was named at the start."""
        return tuple(dict.fromkeys((*discover.names(rules), self.rule)))

    def about(self) -> dict[str, Any]:
        """What a page begins with."""
        open_ = followed(self.found, self.split)
        kinds: dict[str, int] = {}
        for site in open_.sites:
            kinds[str(site.kind)] = kinds.get(str(site.kind), 0) + site.size
        return {
            "model": self.facts,
            "folder": str(self.whole.folder),
            "data": str(self.folder),
            "out": str(self.out),
            "task": task_of(self.whole.model, self.split),
            "rules": [{"name": name, "words": _words(name)} for name in self.rules],
            "rule": self.rule,
            "kinds": kinds,
            "bytes": Plan(self.found, {}, Budget(0.0)).file_bytes(),
            "solved": hasattr(self.whole.model, "refit_"),
            "epochs": TUNING,
            "k": self.k,
            "users": some_users(self.data),
            "made": self.last is not None,
        }

    def plan(self, wish: Wish) -> dict[str, Any]:
        """The plan of a wish and its estimate, as plain data; or, as an answer like any other while somebody tries
        budgets, that something has to be measured first ("not_scored"), that its plan has to be found ("not_sought") or
        that it cannot be met ("refused")."""
        try:
            said = self._said(wish)
        except BudgetError as error:
            said = {"state": "refused", "message": str(error)}
        except Refused as refused:
            if refused.code == "not_scored":
                return {"state": refused.code}
            if refused.code != "not_sought":
                raise
            said = {"state": refused.code}
        return {**said, **self.searches.ends(wish)}

    def ask(self, wish: Wish) -> Job:
        """Have the rule of a wish score the model, or measure what its budget may be, in a job. Raises Refused."""
        self._known(wish.rule)
        wish.budget()
        stages = 1 if wish.drops else 3 if wish.stored or wish.timed else 2
        return self.line.start("score", stages, lambda job: score_(self, wish, job))

    def seek(self, wish: Wish) -> Job:
        """Find the plan for milliseconds, or for a loss that is allowed, in a job. Raises Refused."""
        if not wish.sought:
            raise Refused("not_needed")
        self._ready(wish)
        asked = self.searches.asked(wish)
        return self.line.start("find", 1 if wish.timed else 4 * len(FACTORS), lambda job: seek_(self, wish, asked, job))

    def measure(self, wish: Wish) -> Job:
        """Carry out the plan of a wish and judge it, in a job. Raises Refused, BudgetError."""
        plan = self._plan(wish)
        return self.line.start("measure", 4 if wish.epochs else 3, lambda job: measure_(self, wish, plan, job))

    def apply(self, wish: Apply) -> Job:
        """Write the smaller model into a new folder, in a job. Raises Refused, BudgetError."""
        place = self.out / wish.checked()
        if os.path.lexists(place) or standing(place).exists():
            raise Refused("taken")
        plan = self._plan(wish)
        return self.line.start("apply", 4 if wish.epochs else 3, lambda job: write_(self, wish, plan, place, job))

    def lists(self, user: str) -> dict[str, Any]:
        """What a user gets from both models. Raises Refusal."""
        last, beside = self.last, self.beside
        if last is None:
            raise Refused("not_measured")
        if beside is None or beside[0] is not last:  # a job may have made another since, or be about to
            self.beside = beside = last, Beside(self.whole, last.pruned, self.data)
        return beside[1].of(user, self.k)

    def _known(self, rule: str) -> None:
        if rule not in self.rules:
            raise Refused("no_rule")

    def _ready(self, wish: Wish) -> None:
        """Raise Refused where something has to be measured before there can be a plan."""
        self._known(wish.rule)
        wish.budget()
        scored = wish.drops or wish.rule in self.scores
        if not scored or (wish.stored and self.steps is None) or not self.searches.ready(wish):
            raise Refused("not_scored")

    def _plan(self, wish: Wish) -> Plan:
        """Raises Refused, BudgetError."""
        self._ready(wish)
        if wish.sought:
            return self.searches.of(wish).plan
        return sketch(self.found, self.scores[wish.rule], wish.budget(), self.steps if wish.stored else None).plan

    def _said(self, wish: Wish) -> dict[str, Any]:
        """A plan as plain data, with what it is estimated to cost, and what was measured where it had to be found."""
        self._ready(wish)
        if wish.drops:
            found = self.searches.of(wish)
            return {"state": "planned", **told(found.plan, self.whole.vocabularies), "goal": asdict(found.goal)}
        scored = self.scores[wish.rule]
        goal = {"goal": asdict(self.searches.of(wish).goal)} if wish.timed else {}
        if wish.timed:
            made = estimated(self.searches.of(wish).plan, scored)
        else:
            made = sketch(self.found, scored, wish.budget(), self.steps if wish.stored else None)
        cases = f"{scored.rows:,} {'users' if ranks(self.whole.model) else 'rows'}"
        estimate = {"loss": scored.loss, "rise": made.rise, "unit": scored.unit, "cases": cases}
        return {"state": "planned", **told(made.plan, self.whole.vocabularies), "estimate": estimate, **goal}


def desk_of(
    data: Path,
    model: Path,
    *,
    out: Path | None = None,
    own: str | None = None,
    rule: str | None = None,
    k: int = 20,
    seed: int = 0,
    threads: int | None = None,
    stage: Stage = silent,
) -> Desk:
    """Read a model and its data, and survey it.

    data: a prepared folder. out: where smaller models go, None for the folder that the model's lies in. rule: that is
    asked first, None for what suits the model. Raises DataError where `out` is no folder that can be written to or
    there is no validation part, ExtensionError for a rule that there is not, and what `take` raises.
    """
    where = (out or model.resolve().parent).resolve()
    if not where.is_dir() or not os.access(where, os.W_OK):
        raise DataError(f"{where} is no folder that can be written to: say where smaller models go, --out FOLDER")
    with stage("read"):
        whole = take(model.resolve(), own, data)
        split = whole.split(data)
    if not len(split.valid):
        raise DataError(
            f"{data} has no validation part, and nothing else is looked at here: prepare it with --valid-share 0.1",
            path=str(data),
        )
    with stage("survey") as say:
        found = survey(whole.model, example(whole.model, whole.own(split)))
        say(f"{len(found.sites)} site{'s' if len(found.sites) != 1 else ''}")
    if rule is not None:
        discover.load(rules, rule)
    first = rule or usual_rule(followed(found, split), usual_budget(0.5))
    steps = () if entries_alone(found, None) else None
    return Desk(whole, split, data.resolve(), where, found, first, own, k, seed, threads, steps=steps)


def _words(rule: str) -> str:
    """What a rule says of itself, in a line."""
    if ":" in rule:
        return ""
    return (discover.module(rules, rule).__doc__ or "").strip().partition("\n")[0]
