import numpy as np
import pytest
import torch

import recprune
from recprune.artifact import load, save
from recprune.data.graph import normal_graph
from recprune.errors import DataError
from recprune.models._start import spectral_rows
from recprune.testing import tiny_split
from recprune.training.fit import FitOptions, fit
from recprune.training.scratch import fresh_copy

ONCE = FitOptions(epochs=1, batch=16)


@pytest.fixture
def split():
    return tiny_split(users=60)


def test_the_spectral_start_scores_as_the_ideal_low_pass(split):
    histories, drawn = split.train.histories(), torch.zeros(split.train.n_items, 3)
    drawn[1:, 0] = 2.0
    users, items = spectral_rows(histories, drawn)
    items = items - 0.2 * drawn
    graph = normal_graph(histories)[0].toarray()
    vectors = np.linalg.svd(graph)[2][:3].T
    found, wanted = users @ items.T, torch.from_numpy(graph @ vectors @ vectors.T)
    assert torch.allclose(found / found.norm(), (wanted / wanted.norm()).float(), atol=1e-3)
    assert items[1:].norm(dim=1).mean() == pytest.approx(2.0, rel=1e-3)


@pytest.mark.parametrize("name", ["fism", "mf", "lightgcn", "ultragcn"])
def test_only_a_model_as_it_was_drawn_starts_anew(name, split, tmp_path):
    model = recprune.build(name, split, dim=4, start="spectral")
    assert model.fresh
    assert fresh_copy(model).fresh
    fit(model, split, ONCE)
    assert not model.fresh
    assert fresh_copy(model).fresh
    save(tmp_path / "kept", model)
    again = load(tmp_path / "kept").model
    assert not again.fresh
    other = recprune.build(name, split, dim=4, start="spectral")
    other.load_state_dict(model.state_dict())
    assert not other.fresh


@pytest.mark.parametrize("name", ["fism", "mf", "lightgcn", "ultragcn"])
def test_a_random_start_is_left_as_it_was_drawn(name, split):
    assert not recprune.build(name, split, dim=4, start="random").fresh


@pytest.mark.parametrize("name", ["fism", "mf"])
def test_training_begins_from_the_start(name, split):
    model = recprune.build(name, split, dim=4, start="spectral", seed=2)
    drawn = model.item.weight.detach().clone()
    wanted = spectral_rows(split.train.histories(), drawn)[1]
    counts = np.maximum(split.train.histories().once().matrix().toarray().sum(0), 1)
    wanted = wanted * torch.from_numpy(counts[:, None]) ** -model.config.get("damp", 0.0)
    fit(model, split, FitOptions(epochs=1, batch=16, lr=1e-9, decay=0.0))
    assert torch.allclose(model.item.weight, wanted, atol=1e-3)


def test_a_start_that_there_is_not_is_refused(split):
    with pytest.raises(DataError, match="random, spectral"):
        recprune.build("fism", split, start="warm")


def test_other_users_are_refused(split):
    model = recprune.build("mf", split, dim=4, start="spectral")
    with pytest.raises(DataError, match="users"):
        model.start_(tiny_split(users=30).train.histories())
