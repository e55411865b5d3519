"""A small log, and an order that is carried out on it in seconds."""

import pytest

from recprune.data.log import Log
from recprune.data.simulate import simulate
from recprune.recipe.pruned import usual_budget
from recprune.recipe.run import Order
from recprune.training.fit import FitOptions


@pytest.fixture(scope="session")
def log() -> Log:
    return simulate(30, 20, 300, 3, seed=2, noise=(3,), uniques=0).log


@pytest.fixture(scope="session")
def order() -> Order:
    """Of a model with ids alone, judged by itself: without rivals, and not timed."""
    return Order(
        "mf",
        {"dim": 8},
        FitOptions(epochs=3, patience=3),
        FitOptions(epochs=1),
        usual_budget(0.5),
        rivals=False,
        bench=False,
        k=5,
    )
