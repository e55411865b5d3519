import numpy as np
import torch

import recprune
from recprune.artifact.reading import load
from recprune.artifact.writing import save
from recprune.data.dataset import Histories
from recprune.evaluation.inputs import example
from recprune.models.spectral import Spectral
from recprune.testing import tiny_split
from recprune.tracing.site import Kind
from recprune.training.fit import FitOptions, fit


def histories(n_users=60, n_items=14, seed=0):
    rng = np.random.default_rng(seed)
    rows = [rng.choice(np.arange(n_items), rng.integers(1, 7), replace=False) for _ in range(n_users)]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    return Histories(starts.astype(np.int64), np.concatenate(rows).astype(np.int32), n_items)


def by_formula(data, dim, alpha):
    """GF-CF by dense matrices: item-item, rows the items of the history."""
    x = data.matrix().toarray().astype(np.float64)
    x[:, 0] = 0
    users, items = (np.maximum(x.sum(axis), 1) for axis in (1, 0))
    normal = x / np.sqrt(users)[:, None] / np.sqrt(items)
    right = np.linalg.svd(normal)[2][:dim].T
    low = np.diag(items**-0.5) @ right @ right.T @ np.diag(items**0.5)
    return normal.T @ normal + alpha * low


def test_scores_are_the_filter_of_the_paper():
    data = histories()
    model = Spectral(14, dim=5, alpha=0.3, k=14)
    model.refit_(data)
    history = torch.from_numpy(data.dense(np.arange(9)))
    history[:, 0] = 0
    wanted = history.double().numpy() @ by_formula(data, 5, 0.3)
    np.testing.assert_allclose(model(history).detach().numpy(), wanted, atol=2e-5)


def test_of_every_item_those_neighbours_stay_that_add_most():
    data = histories()
    whole, model = Spectral(14, dim=2, k=14), Spectral(14, dim=2, k=3)
    whole.refit_(data)
    model.refit_(data)
    worth = whole.items.dense().detach() * whole.root
    few, all_of_them = model.items.dense().detach(), whole.items.dense().detach()
    for row in range(1, 14):
        stays = worth[row].topk(3).indices
        assert set(few[row].nonzero().flatten().tolist()) == set(stays.tolist())
        assert torch.allclose(few[row, stays], all_of_them[row, stays], atol=1e-6)


def test_more_dims_than_the_graph_has_are_zero():
    model = Spectral(6, dim=9)
    model.refit_(histories(n_users=3, n_items=6))
    assert not model.item.weight[:, 3:].any()
    assert torch.allclose(model.item.weight[:, :2].norm(dim=0), torch.ones(2), atol=1e-4)


def test_the_same_histories_give_the_same_model():
    one, other = Spectral(14, dim=4), Spectral(14, dim=4)
    for model in (one, other):
        model.refit_(histories())
    assert torch.equal(one.item.weight, other.item.weight)


def test_fit_learns_takes_alpha_from_reg_and_dims_and_entries_can_leave():
    split = tiny_split(users=60)
    model = recprune.build("spectral", split, dim=4)
    fit(model, split, FitOptions(reg=0.5))
    assert model.config["alpha"] == 0.5
    other = recprune.build("popularity", split)
    fit(other, split)
    first, second = (recprune.evaluate(m, split, "test", k=3).mean["recall@3"] for m in (model, other))
    assert first > second
    kinds = {site.kind for site in recprune.survey(model, example(model, split)).sites}
    assert {Kind.DIM, Kind.ENTRY} <= kinds
    small = recprune.prune(model, split, factor=0.5, finetuned=False).model
    assert small.item.weight.shape[1] < 4 or len(small.items.values) < len(model.items.values)
    before = small.items.values.detach().clone()
    small.items.values.data.zero_()
    small.refit_(split.train.histories())
    assert torch.allclose(small.items.values, before, atol=1e-6)


def test_a_stored_model_scores_the_same(tmp_path):
    split = tiny_split()
    model = recprune.build("spectral", split, dim=3, k=4)
    fit(model, split)
    save(tmp_path / "a", model)
    with torch.no_grad():
        for history in example(model, split):
            assert torch.equal(load(tmp_path / "a").model(history), model(history))
