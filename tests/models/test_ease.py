import numpy as np
import pytest
import torch

import recprune
from recprune.artifact import load, save
from recprune.data.dataset import Histories
from recprune.encodings.item_item import ItemItem
from recprune.errors import DataError
from recprune.models.ease import Ease
from recprune.packing import pack
from recprune.testing import tiny_split


def histories(n_users=60, n_items=14, seed=0):
    """Random histories of 1 to 6 distinct items; one of them holds the unknown item."""
    rng = np.random.default_rng(seed)
    rows = [np.array([], dtype=np.int64)] + [
        rng.choice(np.arange(1, n_items), rng.integers(1, 7), replace=False) for _ in range(n_users)
    ]
    rows[1] = np.append(rows[1], 0)
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    return Histories(starts.astype(np.int64), np.concatenate(rows).astype(np.int32), n_items)


def solved(data, reg=3.0):
    model = Ease(data.n_items)
    model.solve_(data, reg)
    return model


def test_every_column_is_the_ridge_solution_with_a_zero_diagonal():
    data, reg = histories(), 3.0
    x = data.matrix().toarray().astype(np.float64)[:, 1:]
    b = solved(data, reg).items.weight.detach().double().numpy().T[1:, 1:]
    for j in range(x.shape[1]):
        others = np.delete(np.arange(x.shape[1]), j)
        gram = x[:, others].T @ x[:, others] + reg * np.eye(len(others))
        np.testing.assert_allclose(b[others, j], np.linalg.solve(gram, x[:, others].T @ x[:, j]), atol=1e-6)
        assert b[j, j] == 0


def test_users_weigh_less_the_more_they_have():
    data, reg, power = histories(), 3.0, 0.7
    x = data.matrix().toarray().astype(np.float64)[:, 1:]
    weights = np.maximum(x.sum(1), 1) ** -power
    weights *= x.sum() / (weights @ x.sum(1))
    model = Ease(data.n_items, user_power=power)
    model.solve_(data, reg)
    b = model.items.weight.detach().double().numpy().T[1:, 1:]
    for j in range(x.shape[1]):
        others = np.delete(np.arange(x.shape[1]), j)
        gram = (x[:, others] * weights[:, None]).T @ x[:, others] + reg * np.eye(len(others))
        wanted = np.linalg.solve(gram, (x[:, others] * weights[:, None]).T @ x[:, j])
        np.testing.assert_allclose(b[others, j], wanted, atol=1e-5)
    n = data.n_items
    sparse = Ease(n, user_power=power)
    sparse.items = ItemItem.encode(torch.zeros(n, n), torch.arange(n * n))
    sparse.refit_(data, reg)
    assert torch.allclose(sparse.items.dense(), model.items.weight, atol=1e-6)


def test_dropout_is_the_mean_over_all_that_may_be_taken_away():
    data, reg, share = histories(), 3.0, 0.4
    x = data.matrix().toarray().astype(np.float64)[:, 1:]
    model = Ease(data.n_items, dropout=share)
    model.solve_(data, reg)
    b = model.items.weight.detach().double().numpy().T[1:, 1:]
    for j in range(x.shape[1]):
        others = np.delete(np.arange(x.shape[1]), j)
        z = x[:, others]  # of z with each entry kept by 1 - share and made up for: mean and mean of products
        products = z.T @ z + np.diag(share / (1 - share) * (z**2).sum(0))
        wanted = np.linalg.solve(products + reg * np.eye(len(others)), z.T @ x[:, j])
        np.testing.assert_allclose(b[others, j], wanted, atol=1e-6)


def test_items_that_many_had_score_less():
    data = histories()
    plain, model = solved(data), Ease(data.n_items, item_power=0.5)
    model.solve_(data, 3.0)
    assert torch.equal(model.items.weight, plain.items.weight)
    counts = np.maximum(data.matrix().toarray().sum(0), 1.0)
    counts[0] = 1.0
    scale = torch.from_numpy(counts**-0.5 / (counts**-0.5).mean()).float()
    history = (torch.rand(3, data.n_items) < 0.4).float()
    assert torch.allclose(model(history), plain(history) * scale, atol=1e-5)
    assert set(model.state_dict()) == {"items.weight", "scale"}
    assert set(plain.state_dict()) == {"items.weight"}


def test_a_dropout_of_all_is_refused():
    with pytest.raises(DataError, match="0 to below 1"):
        Ease(14, dropout=1.0).solve_(histories(), 3.0)


def test_the_unknown_item_neither_scores_nor_adds():
    weight = solved(histories()).items.weight
    assert not weight[0].any()
    assert not weight[:, 0].any()


def test_float32_gives_nearly_the_same_solution():
    data = histories()
    model = Ease(data.n_items)
    model.solve_(data, 3.0, dtype=torch.float32)
    assert torch.allclose(model.items.weight, solved(data).items.weight, atol=1e-5)


def test_a_refit_on_all_entries_is_the_dense_solution():
    data = histories()
    dense = solved(data)
    model = Ease(data.n_items)
    n = data.n_items
    model.items = ItemItem.encode(torch.zeros(n, n), torch.arange(n * n))
    model.refit_(data, 3.0)
    assert torch.allclose(model.items.dense(), dense.items.weight, atol=1e-6)


def test_a_refit_solves_each_kept_support_alone_whatever_its_size():
    data, reg = histories(), 3.0
    dense = solved(data, reg).items.weight.detach()
    kept = torch.randperm(dense.numel(), generator=torch.Generator().manual_seed(5))[:60].sort().values
    model = Ease(data.n_items)
    model.items = ItemItem.encode(dense, kept)
    model.refit_(data, reg)
    x = data.matrix().toarray().astype(np.float64)
    x[:, 0] = 0
    got = model.items.dense().detach().numpy()
    for j in range(data.n_items):
        stored = kept[kept // data.n_items == j].numpy() % data.n_items
        support = stored[(stored != j) & (stored != 0)]
        gram = x[:, support].T @ x[:, support] + reg * np.eye(len(support))
        expected = np.zeros(data.n_items)
        expected[support] = np.linalg.solve(gram, x[:, support].T @ x[:, j])
        np.testing.assert_allclose(got[j], expected, atol=1e-6)


def test_a_refit_lowers_the_training_error_of_a_pruned_model():
    data, reg = histories(n_users=200), 3.0
    dense = solved(data, reg)
    magnitude = dense.items.weight.detach().abs().flatten()
    kept = magnitude.topk(40).indices.sort().values
    model = Ease(data.n_items)
    model.items = ItemItem.encode(dense.items.weight, kept)
    x = torch.from_numpy(data.matrix().toarray())

    def loss():
        return ((x - model(x)).square().sum() + reg * model.items.values.square().sum()).item()

    before = loss()
    model.refit_(data, reg)
    assert loss() < before


def test_histories_of_another_number_of_items_are_refused():
    with pytest.raises(DataError) as error:
        Ease(5).solve_(histories(), 1.0)
    assert (error.value.expected, error.value.found) == (5, 14)


@pytest.mark.parametrize("reg", [0.0, -1.0, float("nan")])
def test_a_reg_that_is_not_above_zero_is_refused(reg):
    data = histories()
    with pytest.raises(DataError):
        Ease(data.n_items).solve_(data, reg)


def test_sparse_items_have_no_dense_solution():
    data = histories()
    model = Ease(data.n_items)
    model.items = ItemItem.encode(torch.zeros(14, 14), torch.arange(3))
    with pytest.raises(DataError, match="refit_"):
        model.solve_(data, 1.0)


def test_packed_items_are_not_solved_again():
    model = pack(Ease(40), {"items.weight": "int8_rows"})
    for solve in (model.solve_, model.refit_):
        with pytest.raises(DataError, match="packed"):
            solve(Histories(np.array([0, 2]), np.array([1, 2]), 40))


def test_the_strength_of_the_last_solution_is_kept_and_taken_again():
    data = histories()
    model = solved(data, reg=3.0)
    assert model.config == {"n_items": data.n_items, "reg": 3.0, "user_power": 0.0, "dropout": 0.0, "item_power": 0.0}
    dense = model.items.weight.detach().clone()
    model.items = ItemItem.encode(dense, torch.arange(data.n_items**2))
    model.refit_(data)
    assert torch.allclose(model.items.dense(), dense, atol=1e-6)
    model.refit_(data, 30.0)
    assert model.config["reg"] == 30.0
    assert not torch.allclose(model.items.dense(), dense, atol=1e-3)


def test_many_items_are_solved_in_the_place_of_the_weight(monkeypatch):
    monkeypatch.setattr("recprune.models.ease.DOUBLE", 10)
    monkeypatch.setattr("recprune.models._ridge.ROWS", 4)
    data = histories()
    model = Ease(data.n_items)
    place = model.items.weight.data_ptr()
    model.solve_(data, 3.0)
    assert model.items.weight.data_ptr() == place
    monkeypatch.undo()
    assert torch.allclose(model.items.weight, solved(data).items.weight, atol=1e-5)
    model.items = ItemItem.encode(torch.zeros(data.n_items, data.n_items), torch.arange(0, data.n_items**2, 3))
    model.refit_(data)
    assert model.items.values.abs().sum() > 0


def test_a_scaled_matrix_is_pruned_solved_again_and_comes_back_from_a_folder(tmp_path):
    split = tiny_split(users=60)
    model = recprune.build("ease", split, reg=3.0, user_power=0.5, dropout=0.2, item_power=0.2)
    recprune.fit(model, split)
    small = recprune.prune(model, split, factor=0.6)
    assert small.plan.account().share_removed >= 0.6
    save(tmp_path / "small", small.model, plan=small.plan)
    history = (torch.rand(4, split.train.n_items) < 0.3).float()
    assert torch.allclose(load(tmp_path / "small").model(history), small.model(history))
