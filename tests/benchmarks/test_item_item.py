"""The parts of the benchmark of item-item matrices."""

import numpy as np
import torch
from benchmarks.item_item import frequent, joined
from benchmarks.item_item_rivals import ByItem, cosines, drawn, largest_of_rows

from recprune.testing import tiny_split


def test_a_dense_matrix_by_the_items_of_a_history_scores_alike():
    weight, history = torch.randn(9, 9), (torch.rand(4, 9) < 0.4).float()
    history[1] = 0.0
    torch.testing.assert_close(ByItem(weight)(history), history @ weight.T)


def test_every_row_keeps_as_many_of_its_largest():
    weight = torch.randn(1030, 7)
    kept = largest_of_rows(weight[:, :7], 3 * 7)
    rows = kept.view(1030, 3)
    wanted = weight.abs().topk(3, dim=1).indices.sort(1).values
    assert torch.equal(rows, wanted + torch.arange(1030).unsqueeze(1) * 7)


def test_the_rarest_items_become_unknown(monkeypatch):
    split = tiny_split()
    monkeypatch.setattr("benchmarks.item_item.MANY", 5)
    small = frequent(split)
    assert small.train.n_items == 6
    counts = np.bincount(split.train["item"], minlength=split.train.n_items)
    kept = np.bincount(small.train["item"], minlength=6)[1:]
    assert sorted(kept) == sorted(np.sort(counts)[-5:])
    monkeypatch.setattr("benchmarks.item_item.MANY", 500)
    assert frequent(split) is split


def test_train_and_validation_are_one_after_the_other():
    split = tiny_split()
    both = joined(split.train, split.valid)
    assert len(both) == len(split.train) + len(split.valid)
    assert both["item"][-1] == split.valid["item"][-1]


def test_cosines_are_those_of_the_histories():
    split = tiny_split()
    x = split.train.histories().matrix().toarray().astype(np.float64)
    norms = np.maximum(np.sqrt((x**2).sum(0)), 1)
    wanted = x.T @ x / norms / norms[:, None]
    np.fill_diagonal(wanted, 0.0)
    np.testing.assert_allclose(cosines(split).numpy(), wanted, atol=1e-6)


def test_drawn_places_are_unlike_and_ascend():
    places = drawn(50, 20)
    assert len(places) == 20
    assert bool((places.diff() > 0).all())
    assert int(places[-1]) < 50
