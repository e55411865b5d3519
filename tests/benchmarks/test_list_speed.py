"""The parts of the benchmark of lists."""

import json

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


def test_rows_of_models_that_are_not_measured_again_stay(monkeypatch, tmp_path):
    table = {
        "rows": [["mixture", 1], ["sasrec", 1], ["caser", 1]],
        "notes": ["onnx does not take mixture: why", "onnx does not take sasrec: why", "other"],
    }
    (tmp_path / "list_speed.json").write_text(json.dumps(table))
    monkeypatch.setattr(list_speed, "FOLDER", tmp_path)
    rows, notes = list_speed.earlier({"sasrec"})
    assert rows == [["mixture", 1], ["caser", 1]]
    assert notes == ["onnx does not take mixture: why", "Measured in an earlier run: mixture; caser"]


def test_models_are_made_as_they_are_named():
    split = tiny_split()
    assert list(list_speed.models(split, ["caser", "sasrec"])) == ["sasrec", "caser"]


def _only_kernels(*of):
    from recprune.serving.ways import ways

    return ways(*of, only=["kernels"])
