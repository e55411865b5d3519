"""The parts of the benchmark of lists."""

import pytest

from recprune.models.build import build
from recprune.testing import tiny_split

list_speed = pytest.importorskip("benchmarks.list_speed")


def test_a_row_tells_who_was_the_fastest_and_by_how_much(monkeypatch):
    split = tiny_split()
    monkeypatch.setattr(list_speed, "ways", lambda *of: _only_kernels(*of))
    found = list_speed.measured(build("item_knn", split), split, (1, 3), 5, 0.0)
    rows = [dict(zip(list_speed.COLUMNS, row, strict=True)) for row in list_speed.told("neighbours", found)]
    assert [row["users a call"] for row in rows] == [1, 3]
    for row in rows:
        assert row["the fastest"] in ("eager", "kernels")
        assert row["10 %"] <= row["times eager"] <= row["90 %"]
        assert row["onnx, ms"] is None
        assert row["kernels, ms"] > 0


def _only_kernels(*of):
    from recprune.serving.ways import ways

    return ways(*of, only=["kernels"])
