"""A small log, an order that is carried out on it in seconds, and a click model that is surveyed."""

import pytest
from torch import nn

from recprune.data.dataset import Split
from recprune.data.log import Log
from recprune.data.simulate import simulate
from recprune.evaluation.inputs import example
from recprune.importance.probe import Probe
from recprune.models.build import build
from recprune.recipe.probing import probe
from recprune.recipe.pruned import usual_budget
from recprune.recipe.run import Order
from recprune.testing.data import tiny_clicks
from recprune.tracing.site import Survey
from recprune.tracing.trace import survey
from recprune.training.fit import FitOptions, fit


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


@pytest.fixture(scope="module")
def surveyed_clicks() -> tuple[nn.Module, Split, Survey, Probe]:
    """DeepFM of clicks, trained a little."""
    split = tiny_clicks()
    model = build("deepfm", split, dim=8, hidden=[32])
    fit(model, split, FitOptions(epochs=4))
    found = survey(model, example(model, split))
    return model, split, found, probe(model, found, split)
