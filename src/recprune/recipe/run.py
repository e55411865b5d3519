"""run(): the whole street in one call, from a raw log to a smaller model with its proof, in one folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import recprune
from recprune.atomic import write_bytes
from recprune.data.dataset import Split
from recprune.data.log import Log
from recprune.data.negatives import with_negatives
from recprune.data.pasts import with_pasts
from recprune.data.store import load_split
from recprune.evaluation.comparison import Comparison
from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.recipe.agree import proven
from recprune.recipe.built import built
from recprune.recipe.influences import keep_influence
from recprune.recipe.once import alone, forget, key_of, once, readable
from recprune.recipe.prepare import PASTS, Columns, SplitBy, keep, prepare
from recprune.recipe.prove import prove
from recprune.recipe.prune import plan
from recprune.recipe.schedule import Given, Schedule, follow
from recprune.recipe.serving_times import ServingTimes, serving_times
from recprune.recipe.shelf import Shelved, Work, put, take
from recprune.recipe.stages import Stage, silent
from recprune.recipe.train import needs_negatives, needs_pasts, train
from recprune.training.fit import FitOptions
from recprune.training.usual import Said, changed, settled, settled_tuning

__all__ = ["Order", "Result", "prepared", "run", "street"]


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted. settings: of the model's constructor. options, tuning: of training and of fine-tuning, all
    of them or those that are not as usual for the model (`usual_options`).

    negatives: drawn for each positive; None draws 4 where the model needs some. rivals: train those too. bench: time
    both models in every runtime, and record which one serves them. k: length of the lists. seed: of everything drawn,
    but for the preparing, whose seed is that of `by`. schedule: when what leaves leaves. encodings: as `prune` takes
    them. columns: what columns become; a model of rows that takes pasts gets 20 items where none are asked for.
    """

    model: str = "ease"
    settings: Mapping[str, Any] = field(default_factory=dict)
    options: FitOptions | Said = field(default_factory=dict)
    tuning: FitOptions | Said = field(default_factory=dict)
    budget: Budget = field(default_factory=lambda: Budget(0.5))
    rule: str | None = None
    cleaning: Mapping[str, Any] = field(default_factory=dict)
    by: SplitBy = field(default_factory=SplitBy)
    negatives: int | None = None
    rivals: bool = True
    bench: bool = True
    k: int = 20
    seed: int = 0
    schedule: Schedule = field(default_factory=Schedule)
    encodings: tuple[str, ...] | None = None
    columns: Columns = field(default_factory=Columns)

    @property
    def planned(self) -> bool:
        """True where a plan is made before anything is trained further."""
        return self.schedule.planned and self.budget.max_drop is None


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """Where everything lies (prepared/, big/, plan.json, small/, comparison.json, served.json; steps/ of a gradual
    one), and the proof. served: how long requests take, None where that was not asked."""

    folder: Path
    plan: Plan
    comparison: Comparison
    served: ServingTimes | None = None

    @property
    def small(self) -> Path:
        """The folder of the smaller model."""
        return self.folder / "small"


def run(
    read: Callable[[], Mapping[str, Log]], order: Order, out: Path, *, source: object = None, stage: Stage = silent
) -> Result:
    """Prepare, train, plan, apply, fine-tune, compare and time. A stage that stands in `out` already is not done again.

    read: gives the logs that `prepare` takes ("log", and "test" and "valid" where they are given). source: what they
    are, JSON-able; together with the order it tells whether a stage that stands there was made from the same things
    (None: never). Raises what the stages raise, DataError where a file is in the way, and ArtifactError where another
    process makes its stages in `out`.

    >>> run(lambda: {"log": recprune.read("u.data")}, Order("mf", budget=Budget(0.5)), Path("out")).small
    PosixPath('out/small')
    """
    with alone(out):
        key = prepared(read, order, out, source=source, stage=stage)
        return street(order, out / "prepared", out, key, stage=stage)


def prepared(
    read: Callable[[], Mapping[str, Log]], order: Order, out: Path, *, source: object = None, stage: Stage = silent
) -> str:
    """Make `out`/prepared where it does not stand there; its key."""
    made_from = [recprune.__version__, source, order.cleaning, order.by, order.negatives, order.columns]
    key = "" if source is None else key_of(made_from)
    data = out / "prepared"
    return once(out, data, key, [order.model, order.settings], lambda _: _prepare(read(), order, data, stage))


def street(
    order: Order, data: Path, out: Path, key: str, *, cases: Path | None = None, stage: Stage = silent
) -> Result:
    """All but the preparing. data, key: the prepared folder and its key. cases: where what each case adds is kept."""
    options = changed(order.options, seed=order.seed)
    big, small, planned, proof, served = (out / name for name in PLACES)
    split = load_split(data)
    key = once(out, big, key, [options], lambda mine: _train(split, order, options, big, data, mine, stage))
    own = order.model if ":" in order.model else None
    whole = take(big, own)
    tuning = settled_tuning(whole.model, whole.own(split), changed(order.tuning, seed=order.seed))
    if order.planned:
        key = once(
            out,
            planned,
            key,
            [order.budget, order.rule, order.encodings, tuning],
            lambda _: _plan(whole, split, order, tuning, planned, stage),
        )
        made_from: list[object] = [order.schedule]
    else:
        made_from = [order.budget, order.rule, order.encodings, tuning, order.schedule]
    key = once(out, small, key, made_from, lambda mine: _prune(whole, split, order, tuning, out, mine, stage))
    if not order.planned:
        key = once(out, planned, key, [], lambda _: _write_plan(take(small, own).plan, planned))
    chosen = readable(planned, Plan.from_json)
    asked = [order.rivals, order.k] if cases is None else [order.rivals, order.k, "cases"]
    if cases is not None and not cases.exists():
        proof.unlink(missing_ok=True)
    key = once(out, proof, key, asked, lambda _: _prove(whole, small, split, order, proof, cases, stage))
    found = readable(proof, Comparison.from_json)
    if not order.bench:
        return Result(out, chosen, found)
    once(out, served, key, [order.k], lambda _: _serve(big, small, own, order, served, stage))
    return Result(out, chosen, found, readable(served, ServingTimes.from_json))


PLACES = ("big", "small", "plan.json", "comparison.json", "served.json")


def _prepare(logs: Mapping[str, Log], order: Order, data: Path, stage: Stage) -> None:
    negatives, columns = order.negatives or 0, order.columns
    prepared = prepare(**logs, cleaning=order.cleaning, by=order.by, negatives=negatives, columns=columns, stage=stage)
    model = built(order.model, prepared.split, order.settings)
    if needs_pasts(model, prepared.split):
        prepared = replace(prepared, split=with_pasts(prepared.split, PASTS))
    if order.negatives is None and needs_negatives(model, prepared.split):
        with stage("draw negatives") as say:
            prepared = replace(prepared, split=with_negatives(prepared.split, 4, order.by.seed))
            say(f"{len(prepared.split.train):,} rows to train on")
    keep(prepared, data)


def _train(
    split: Split, order: Order, options: FitOptions | Said, big: Path, data: Path, key: str, stage: Stage
) -> None:
    saved = big.parent / f"train-{key[:12]}.checkpoint" if key else None
    model, fit = train(
        order.model, split, settings=order.settings, options=changed(options, checkpoint=saved), stage=stage
    )
    works = (Work.of("train", fit, settled(model, split, options)),)
    put(big, Shelved(big, model, split.vocabularies, None, works, data, order.settings), seed=order.seed)
    forget(big.parent, "train-*.checkpoint*")


def _plan(whole: Shelved, split: Split, order: Order, tuning: FitOptions, place: Path, stage: Stage) -> None:
    chosen = plan(
        whole.model,
        whole.own(split),
        budget=order.budget,
        rule=order.rule,
        encodings=order.encodings,
        tuning=tuning,
        seed=order.seed,
        stage=stage,
    )
    _write_plan(chosen, place)


def _write_plan(chosen: Plan | None, place: Path) -> None:
    if chosen is not None:
        write_bytes(place, chosen.to_json().encode())


def _prune(
    whole: Shelved,
    split: Split,
    order: Order,
    tuning: FitOptions,
    out: Path,
    key: str,
    stage: Stage,
) -> None:
    planned, options = out / "plan.json", whole.works[0].fit_options()
    given = Given(
        whole.model,
        whole.works,
        lambda: built(order.model, split, order.settings, options.seed),
        whole.own(split),
        options,
        tuning,
        order.budget,
        order.rule,
        Plan.from_json(planned.read_text(encoding="utf-8")) if order.planned else None,
        out / f"small-{key[:12]}.checkpoint" if key else None,
        out / "steps" if key else None,
        order.seed,
        order.encodings,
    )
    done, works = follow(order.schedule, given, stage=stage)
    proof = proven(
        whole.model, done.plan, done.model, whole.vocabularies, whole.own(split), seed=order.seed, stage=stage
    )
    smaller = replace(whole, model=done.model, vocabularies=done.vocabularies, plan=done.plan, works=works, proof=proof)
    put(out / "small", smaller, seed=tuning.seed)
    forget(out, "small-*.checkpoint*")


def _prove(
    whole: Shelved, small: Path, split: Split, order: Order, place: Path, cases: Path | None, stage: Stage
) -> None:
    smaller = take(small, order.model if ":" in order.model else None)
    found = prove(
        whole,
        smaller,
        split,
        rivals=order.rivals,
        k=order.k,
        seed=order.seed,
        cases=cases is not None,
        stage=stage,
    )
    text = found.to_json()
    if cases is not None:
        keep_influence(found, cases)
    put(small, smaller, metrics=json.loads(text), seed=order.seed)
    write_bytes(place, text.encode())


def _serve(big: Path, small: Path, own: str | None, order: Order, place: Path, stage: Stage) -> None:
    found = serving_times(big, small, own, k=order.k, seed=order.seed, stage=stage)
    write_bytes(place, found.to_json().encode())
