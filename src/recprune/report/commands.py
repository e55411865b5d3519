"""commands(): what makes the same models again, as far as their folders say."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from recprune.encodings.item_item import by_entries
from recprune.planning.budget import Budget
from recprune.recipe.pruned import usual_budget
from recprune.recipe.shelf import Work
from recprune.report.found import Found
from recprune.training.options import FitOptions
from recprune.training.usual import FAMILIES

__all__ = ["commands", "exact"]

AGAIN = "again"
"""Folder that the commands write to, so that nothing that stands is replaced."""


def exact(found: Found) -> bool:
    """True where the commands give the smaller model bit for bit on the same machine: it was cut once, by the plan that
    lies in its folder, stored as it was, and fine-tuned at most once."""
    if found.plan is None or not found.whole.works or found.whole.works[0].what != "train":
        return False
    stored = all(map(by_entries, found.plan.encodings.values()))
    later = found.small.works[len(found.whole.works) :]
    plain = all(work.what == "finetune" and not work.distilled for work in later)
    return stored and plain and len(later) <= 1 and found.plan.budget.max_drop is None


def commands(found: Found) -> str:
    """From prepared data to the report, one command a line."""
    return "\n".join(shlex.join(["recprune", *map(str, words)]) for words in _lines(found))


def _lines(found: Found) -> Iterator[list[object]]:
    places, model = found.places, str(found.said["big"]["model"])
    big, small, own = Path(AGAIN) / "big", Path(AGAIN) / "small", found.own
    if found.whole.works and found.whole.works[0].what == "train":
        work = found.whole.works[0]
        settings = _named("--set", found.whole.settings)
        how = [*settings, *_options(work)]
        yield ["train", places.data or "PREPARED", "--model", model, *how, "-o", big]
    if found.plan is not None:
        yield ["plan", big, *own, *_budget(found.plan.budget), *_rule(found), "-o", Path(AGAIN) / "plan.json"]
        yield ["apply", big, places.small / "plan.json", *own, "-o", small]
    for work in found.small.works[len(found.whole.works) :]:
        if work.what == "finetune":
            teacher = ["--teacher", big] if work.distilled else []
            yield ["finetune", small, *own, *teacher, *_options(work)]
    yield ["compare", big, small, *own, "-o", Path(AGAIN) / "comparison.json"]
    yield ["report", small, "--against", big, *own, "--comparison", Path(AGAIN) / "comparison.json"]


def _options(work: Work) -> list[object]:
    """The options of a training that are not those of `FitOptions()`, and all that are usual for some models."""
    known = asdict(FitOptions())
    told = {name for usual in FAMILIES.values() for name in usual} | {"patience"}
    apart = {name for name, value in known.items() if work.options.get(name, value) != value}
    said = {name: value for name, value in work.options.items() if name in told | apart}
    seed = said.pop("seed", work.options.get("seed", 0))
    epochs = said.pop("epochs", None)
    return [*([] if epochs is None else ["--epochs", epochs]), *_named("--fit", said), "--seed", seed]


def _named(flag: str, values: Mapping[str, Any]) -> list[object]:
    """NAME=VALUE behind a flag, each."""
    told = ((name, value if isinstance(value, str) else json.dumps(value)) for name, value in values.items())
    return [word for name, value in told for word in (flag, f"{name}={value}")]


def _rule(found: Found) -> list[object]:
    """The rule by its own spelling, where it takes no options or is not ours."""
    rule = "" if found.plan is None else found.plan.rule
    name = rule.partition("(")[0]
    return ["--rule", name] if ":" in name else []


def _budget(budget: Budget) -> list[object]:
    drop = None if budget.max_drop is None else f"{budget.max_drop.metric}={budget.max_drop.share:g}"
    amounts = {"--factor": budget.factor, "--bytes": budget.bytes, "--ms": budget.milliseconds, "--max-drop": drop}
    out: list[object] = [word for flag, value in amounts.items() if value is not None for word in (flag, value)]
    usual = usual_budget(budget.factor).keep if budget.factor is not None else 0.5 if drop else 0.0
    out += [] if budget.keep == usual else ["--keep", budget.keep]
    for name, default in (("floor", 1), ("multiple", 1), ("rows", 1)):
        out += [] if getattr(budget, name) == default else [f"--{name}", getattr(budget, name)]
    if len(budget.kinds) < len(Budget(0.0).kinds):
        out += [word for kind in sorted(budget.kinds) for word in ("--kind", str(kind))]
    return [*out, *(word for site in sorted(budget.sites) for word in ("--site", site))]
