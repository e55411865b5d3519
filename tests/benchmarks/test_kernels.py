"""The parts of the benchmark of kernels."""

import numpy as np
import pytest

for name in ("faiss", "implicit", "threadpoolctl"):
    pytest.importorskip(name)
kernels = pytest.importorskip("benchmarks.kernels")


def test_all_ways_list_the_same_items(monkeypatch):
    monkeypatch.setattr(kernels, "SOME", 5)
    monkeypatch.setattr(kernels, "streamed", lambda size: 1.0)
    rows = [kernels.one_request(300, 8, 3), kernels.all_users(300, 8, 2), kernels.item_item(1200, 30, 2)]
    for row in rows:
        said = dict(zip(kernels.COLUMNS, row, strict=True))
        assert said["same items"] == 1.0
        assert said["ours, ms"] > 0


def test_other_lists_are_seen():
    ways = {"ours": lambda i: np.array([1, 2]), "other": lambda i: np.array([2, 3 - 2 * (i % 2)])}
    assert kernels.measured(ways, 4).same == {"ours": 1.0, "other": 0.5}


def test_what_the_clocks_take_is_no_part_of_a_call():
    seconds = {"ours": [3e-6, 5e-6, 4e-6], "nothing": [1e-6, 1e-6, 2e-6]}
    assert kernels.medians(seconds) == {"ours": pytest.approx(3e-3)}


def test_every_row_of_the_matrix_has_its_entries():
    made = kernels.scattered(500, 20, np.random.default_rng(0))
    assert made.shape == (500, 500)
    assert np.diff(made.indptr).min() >= 18
    assert made.has_sorted_indices
