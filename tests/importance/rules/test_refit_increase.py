"""What the error would rise by without an entry, all others solved again."""

import numpy as np
import pytest
import torch
from torch import nn

from recprune.data.dataset import Histories
from recprune.encodings.item_item import ItemItem
from recprune.errors import SurveyError
from recprune.importance.probe import Probe
from recprune.importance.rules.refit_increase import RefitIncrease
from recprune.models._ridge import gram_rows
from recprune.models.ease import Ease
from recprune.tracing.trace import survey


def histories(n_users: int = 200, n_items: int = 11) -> Histories:
    rng = np.random.default_rng(0)
    rows = [rng.choice(np.arange(1, n_items), rng.integers(1, 6), replace=False) for _ in range(n_users)]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    return Histories(starts.astype(np.int64), np.concatenate(rows).astype(np.int32), n_items)


def error(x: np.ndarray, item: int, support: np.ndarray, reg: float) -> float:
    """The least squared error of one output, penalty included, from those inputs alone."""
    inputs = x[:, support]
    w = np.linalg.solve(inputs.T @ inputs + reg * np.eye(len(support)), inputs.T @ x[:, item])
    return float(((x[:, item] - inputs @ w) ** 2).sum() + reg * (w**2).sum())


def scored(model: Ease, data: Histories, *, batches: bool) -> torch.Tensor:
    found = survey(model, (torch.zeros(2, data.n_items),))
    rows = torch.from_numpy(data.matrix().toarray())
    probe = Probe(model, found, [((rows,), rows)]) if batches else Probe(model, found, products=gram_rows(data))
    return RefitIncrease()(found.sites[0], probe)


@pytest.mark.parametrize("batches", [False, True], ids=["all histories", "batches"])
def test_it_is_the_rise_that_a_loop_of_refits_measures(batches: bool):
    data, reg = histories(), 7.0
    model = Ease(data.n_items)
    model.solve_(data, reg)
    worth = scored(model, data, batches=batches).view(data.n_items, -1)
    x = data.matrix().toarray().astype(np.float64)
    for item in range(1, data.n_items):
        others = np.delete(np.arange(1, data.n_items), item - 1)
        before = error(x, item, others, reg)
        for place, other in enumerate(others):
            rise = error(x, item, np.delete(others, place), reg) - before
            assert float(worth[item, other]) == pytest.approx(rise, rel=2e-3, abs=1e-4)
        assert worth[item, item] == 0
    assert not worth[0].any()
    assert not worth[:, 0].any()


def test_entries_that_stay_are_scored_where_they_stand():
    data = histories()
    model = Ease(data.n_items)
    model.solve_(data, 7.0)
    n, dense = data.n_items, scored(model, data, batches=False)
    model.items = ItemItem.encode(model.items.weight, torch.arange(n * n))
    torch.testing.assert_close(scored(model, data, batches=False), dense)
    kept = torch.tensor([14, 15, 40, 41, 42, 77])
    model.items = ItemItem.encode(torch.rand(n, n), kept)
    found = scored(model, data, batches=False)
    assert found.shape == (6,)
    assert bool((found > 0).all())


def test_a_matrix_of_zeros_is_worth_nothing():
    data = histories()
    assert not scored(Ease(data.n_items), data, batches=False).any()


def test_other_units_are_refused_by_name():
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 1))
    found = survey(model, (torch.rand(2, 4),))
    with pytest.raises(SurveyError, match=found.sites[0].name):
        RefitIncrease()(found.sites[0], Probe(model, found))
