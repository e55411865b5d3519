"""The parts of the benchmark of product codes."""

import numpy as np
import pytest
import torch

for name in ("faiss", "implicit", "threadpoolctl"):
    pytest.importorskip(name)
bench = pytest.importorskip("benchmarks.coded_search")


def test_a_row_says_how_fast_how_large_and_what_is_found(monkeypatch):
    monkeypatch.setattr(bench, "LEARNED", 1200)
    monkeypatch.setattr(bench, "CLUSTERS", 40)
    row = bench.row(1500, 16, 4)
    assert row[:2] == ["1,500 × 16", 4]
    assert row[-6] in ("product", "int8")
    assert all(cell > 0 for cell in row[2:-6] + row[-5:])
    assert all(cell <= 1 for cell in row[-3:])


def test_rows_behind_those_that_books_are_learned_from_are_coded_as_those():
    rows = np.random.default_rng(0).standard_normal((700, 12)).astype(np.float32)
    codes = bench.coded(rows, 3)
    assert torch.equal(bench.nearest(codes, rows), codes.codes)
