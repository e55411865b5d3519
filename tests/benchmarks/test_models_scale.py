"""The benchmark of what training costs, on tiny data."""

import importlib
import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[2]))
models_scale = importlib.import_module("benchmarks.models_scale")
drawing = importlib.import_module("benchmarks.log_plot")


def test_the_power_is_the_slope_of_the_logarithms():
    sizes = (1, 2, 4)
    found = {side: [models_scale.Point(0.5 * n**2, 3_000_000) for n in sizes] for side in models_scale.SIDES}
    assert models_scale.row("ease", found, sizes) == ["ease", 8.0, 2.0, 3, 8.0, 2.0, 3, 8.0, 2.0, 3, 0.5]


@pytest.mark.parametrize(("side", "users", "rows"), [("users", 120, 600), ("items", 60, 300), ("rows", 60, 600)])
def test_a_log_grows_along_one_side(monkeypatch, side, users, rows):
    monkeypatch.setattr(models_scale, "BASE", {"users": 60, "items": 40, "rows": 5})
    models_scale.data_of.cache_clear()
    split = models_scale.data_of("implicit", side, 2)
    assert len(split.train) + len(split.test) == rows
    assert 0.7 * users < split.train.n_users - 1 <= users
    models_scale.data_of.cache_clear()


def test_models_are_measured_once_written_and_drawn(monkeypatch, tmp_path):
    monkeypatch.setattr(models_scale, "BASE", {"users": 60, "items": 40, "rows": 5})
    for name in ("RUNS", "FOLDER"):
        monkeypatch.setattr(models_scale, name, tmp_path / "benchmarks" / name.lower())
    monkeypatch.setattr("benchmarks.result.FOLDER", tmp_path / "benchmarks" / "folder")
    monkeypatch.setattr("benchmarks.result.commit", lambda: "abc")
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "docs").mkdir()
    models_scale.data_of.cache_clear()
    models_scale.main(["mf", "lr"], [1, 2])
    written = tmp_path / "benchmarks" / "folder" / "models_scale.json"
    first = json.loads(written.read_text())
    assert [line[0] for line in first["rows"]] == ["mf", "lr"]
    assert all(value > 0 for line in first["rows"] for value in (line[1], line[4], line[7]))
    models_scale.main(["mf", "lr"], [1, 2])
    assert json.loads(written.read_text())["points"] == first["points"]
    models_scale.plot()
    names = [e.text for e in ElementTree.parse(tmp_path / "docs" / "models_scale.svg").iter() if e.tag.endswith("text")]
    assert names.count("mf") == 3
    models_scale.data_of.cache_clear()


def test_lines_of_one_power_are_parallel_and_names_do_not_cover_each_other():
    lines = [drawing.Line("a <b>", [1, 2, 4], [1.0, 2.0, 4.0]), drawing.Line("c", [1, 2, 4], [1.01, 2.02, 4.04])]
    tree = ElementTree.fromstring(drawing.log_plot([{"rows": lines}], "seconds"))
    ways = [
        np.array([[float(v) for v in p.split(",")] for p in e.get("points").split()])
        for e in tree.iter()
        if e.get("points")
    ]
    assert len(ways) == 2
    steps = [np.diff(way, axis=0) for way in ways]
    np.testing.assert_allclose(steps[0], steps[1], atol=0.2)
    beside = sorted(float(e.get("y")) for e in tree.iter() if e.text in ("a <b>", "c"))
    assert beside[1] - beside[0] >= 12
