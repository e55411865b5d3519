from functools import partial

import numpy as np
import pytest
import torch

import recprune
from recprune.data.dataset import Histories
from recprune.encodings.spelled import spelled
from recprune.errors import DataError
from recprune.models import slim
from recprune.models.ease import Ease
from recprune.models.slim import Slim
from recprune.packing import pack_entries
from recprune.testing import tiny_split
from recprune.training.fit import FitOptions, fit


def histories(n_users=60, n_items=14, seed=0):
    rng = np.random.default_rng(seed)
    rows = [rng.choice(np.arange(n_items), rng.integers(1, 7), replace=False) for _ in range(n_users)]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    return Histories(starts.astype(np.int64), np.concatenate(rows).astype(np.int32), n_items)


def test_with_room_for_all_it_is_the_dense_solution():
    data = histories(n_users=400)  # every two items were had together
    dense, model = Ease(14), Slim(14, k=14)
    dense.solve_(data, 3.0)
    model.refit_(data, 3.0)
    assert torch.allclose(model.items.dense(), dense.items.weight, atol=1e-6)


def test_errors_count_as_in_ease():
    data = histories(n_users=400)
    dense, model = (kind(14, user_power=0.5, dropout=0.3, item_power=0.2) for kind in (Ease, partial(Slim, k=14)))
    dense.solve_(data, 3.0)
    model.refit_(data, 3.0)
    assert torch.allclose(model.items.dense(), dense.items.weight, atol=1e-5)
    history = (torch.rand(3, 14) < 0.4).float()
    assert torch.allclose(model(history), dense(history), atol=1e-5)


def test_the_support_is_what_tells_most_alone(monkeypatch):
    monkeypatch.setattr(slim, "ROWS", 4)
    data, k, reg = histories(), 3, 2.0
    model = Slim(14, k=k, reg=reg)
    model.refit_(data)
    x = data.matrix().toarray().astype(np.float64)
    x[:, 0] = 0
    got = model.items.dense().detach().numpy()
    for j in range(1, 14):
        left = [(x[:, j] ** 2).sum() if i in (0, j) else alone(x, i, j, reg) for i in range(14)]
        support = np.flatnonzero(got[j])
        assert sum(sorted(left)[:k]) == pytest.approx(sum(left[i] for i in support))
        gram = x[:, support].T @ x[:, support] + reg * np.eye(len(support))
        np.testing.assert_allclose(got[j, support], np.linalg.solve(gram, x[:, support].T @ x[:, j]), atol=1e-6)


def alone(x, i, j, reg):
    """The ridge objective of item j from item i alone."""
    b = x[:, i] @ x[:, j] / (x[:, i] @ x[:, i] + reg)
    return ((x[:, j] - b * x[:, i]) ** 2).sum() + reg * b**2


def test_no_item_holds_more_than_k_entries_nor_its_own():
    model = Slim(14, k=5)
    model.refit_(histories())
    assert int(model.items.indptr.diff().max()) == 5
    assert not model.items.dense().diagonal().any()
    assert Slim(**model.config).items.values.shape == model.items.values.shape


def test_entries_leave_exactly_and_those_that_stay_are_solved_again():
    split = tiny_split(users=60)
    model = recprune.build("slim", split, k=8)
    fit(model, split, FitOptions(reg=5.0))
    assert model.config["reg"] == 5.0
    small = recprune.prune(model, split, factor=0.5, finetuned=False).model
    indices = small.items.indices.clone()
    x = torch.from_numpy(split.train.histories().matrix().toarray())

    def objective():
        return ((x - small(x)).square().sum() + 5.0 * small.items.values.square().sum()).item()

    before = objective()
    fit(small, split)
    assert objective() < before
    assert torch.equal(small.items.indices, indices)


def test_packed_entries_are_not_solved_again():
    data = histories()
    model = Slim(14)
    model.refit_(data)
    packed = pack_entries(model, "items", spelled("item_bytes"))
    with pytest.raises(DataError, match="packed"):
        packed.refit_(data)


@pytest.mark.parametrize("reg", [0.0, -1.0, float("nan")])
def test_a_reg_that_is_not_above_zero_is_refused(reg):
    with pytest.raises(DataError):
        Slim(5).refit_(Histories(np.array([0, 2]), np.array([1, 2], dtype=np.int32), 5), reg)
