import contextlib
from dataclasses import replace

import pytest
import torch

from recprune.errors import TrainingError
from recprune.evaluation.evaluate import evaluate
from recprune.models.build import build
from recprune.recipe.pep import pep, tables_of
from recprune.testing.data import tiny_clicks, tiny_split
from recprune.training.fit import FitOptions

OPTIONS = FitOptions(epochs=4, patience=4, batch=32, lr=0.02, threads=1)
SETTINGS = {"mf": {"dim": 8}, "caser": {"dim": 8, "length": 4}, "deepfm": {"dim": 4, "hidden": [8]}}
TABLES = {"mf": ["user.weight", "item.weight"], "caser": ["item.weight"], "deepfm": ["table.weight"]}


def fresh(name):
    split = tiny_clicks() if name == "deepfm" else tiny_split()
    return build(name, split, **SETTINGS[name]), split


@pytest.mark.parametrize("name", SETTINGS)
def test_what_is_found_is_trained_again_and_all_else_is_zero(name):
    model, split = fresh(name)
    found = pep(model, split, 0.3, options=OPTIONS)
    state, start = found.model.state_dict(), model.state_dict()
    assert list(found.kept) == TABLES[name] == tables_of(model)
    assert sum(map(len, found.kept.values())) == round(0.3 * sum(start[table].numel() for table in TABLES[name]))
    for table, kept in found.kept.items():
        flat, before = state[table].flatten(), start[table].flatten()
        assert set(torch.nonzero(flat).flatten().tolist()) <= set(kept.tolist())
        assert (flat[kept] != before[kept]).float().mean() > 0.5
    assert len(found.fit.history) == 8
    assert evaluate(found.model, split).mean


@pytest.mark.parametrize("at", [2, 6])
def test_a_run_that_was_stopped_goes_on_and_ends_alike(at, tmp_path):
    model, split = fresh("mf")
    whole, heard = pep(model, split, 0.3, options=OPTIONS), []

    @contextlib.contextmanager
    def stage(name):
        def say(words):
            heard.append(words)
            if len(heard) == at:
                raise InterruptedError

        yield say

    saved = replace(OPTIONS, checkpoint=tmp_path / "state")
    with pytest.raises(InterruptedError):
        pep(model, split, 0.3, options=saved, stage=stage)
    resumed = pep(model, split, 0.3, options=saved, stage=stage)
    assert len(heard) == 8
    assert all(torch.equal(a, b) for a, b in zip(whole.model.parameters(), resumed.model.parameters(), strict=True))


def test_a_model_without_tables_or_epochs_is_refused():
    model, split = fresh("mf")
    with pytest.raises(TrainingError, match="closed form"):
        pep(build("ease", split), split, 0.5)
    with pytest.raises(TrainingError, match="no embedding table"):
        pep(torch.nn.Linear(2, 2), split, 0.5)
    model.item.weight = model.user.weight
    assert tables_of(model) == ["user.weight"]


@pytest.mark.parametrize("start", ["random", "spectral"])
def test_a_table_that_learns_smoothed_is_searched_and_begins_as_its_model_says(start):
    split = tiny_split(users=60, items=40)
    model = build("fism", split, dim=8, start=start)
    before = model.item.weight.detach().clone()
    found = pep(model, split, 0.3, options=FitOptions(epochs=3, batch=16, lr=0.03))
    assert torch.equal(model.item.weight, before)
    weight = found.model.item.weight
    assert int((weight != 0).sum()) <= round(0.3 * weight.numel())
    assert len(found.fit.history) == 6
