"""The parts of the benchmark of coding."""

import os

import pytest

for name in ("faiss", "implicit", "threadpoolctl"):
    pytest.importorskip(name)
bench = pytest.importorskip("benchmarks.coding_speed")


def test_every_encoding_is_timed_with_kernels_and_without(monkeypatch):
    monkeypatch.setattr(bench, "RUNS", 1)
    monkeypatch.setattr(bench, "STEPS", 2)
    rows = bench.rows_of(600, 16, 4)
    assert [row[1] for row in rows] == ["product_rows(m=3,b=8)", *bench.OTHERS, "faiss PQ"]
    assert [row[2] for row in rows] == [4, 18, 10, 10, 6, 4]
    assert all(len(row) == len(bench.COLUMNS) for row in rows)
    assert all(0 < row[3] < 100 for row in rows)
    assert all(cell > 0 for row in rows[:-1] for cell in row[4:])


@pytest.mark.parametrize("way", [None, "portable"])
def test_the_way_to_run_kernels_is_as_it_was(monkeypatch, way):
    if way is None:
        monkeypatch.delenv("RECPRUNE_KERNELS", raising=False)
    else:
        monkeypatch.setenv("RECPRUNE_KERNELS", way)
    seen = []

    def times() -> list[float]:
        seen.append(os.environ.get("RECPRUNE_KERNELS"))
        return [1.0]

    assert bench.both(times, max) == [1.0, 1.0]
    assert seen == [way, "numpy"]
    assert os.environ.get("RECPRUNE_KERNELS") == way
