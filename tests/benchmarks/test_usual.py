"""The benchmark of usual options, on tiny data."""

import importlib
import json
import sys
from pathlib import Path

from recprune.testing import tiny_clicks, tiny_split

sys.path.append(str(Path(__file__).parents[2]))
usual = importlib.import_module("benchmarks.usual")
result = importlib.import_module("benchmarks.result")


def test_both_ways_of_training_stand_side_by_side_and_are_measured_once(monkeypatch, tmp_path):
    subjects = (
        usual.Subject("Clicks", "clicks", tiny_clicks, ("fm",), "auc"),
        usual.Subject("Lists", "lists", tiny_split, ("mf",), "ndcg@20"),
    )
    monkeypatch.setattr(usual, "SUBJECTS", subjects)
    monkeypatch.setattr(usual, "SEEDS", (0, 1))
    monkeypatch.setattr(usual, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(result, "FOLDER", tmp_path / "results")
    monkeypatch.setattr(result, "commit", lambda: "here")
    usual.main()
    found = json.loads((tmp_path / "results" / "usual.json").read_text())
    assert [row[:3] for row in found["rows"]] == [["Clicks", "fm", "auc"], ["Lists", "mf", "ndcg@20"]]
    for row in found["rows"]:
        said = dict(zip(found["columns"], row, strict=True))
        assert abs(said["usual"] - said["FitOptions()"] - said["difference"]) < 2e-4
        assert said["epochs, usual"] in (10, 20)
    monkeypatch.setattr(usual, "trained", None)
    usual.main()
    assert json.loads((tmp_path / "results" / "usual.json").read_text()) == found
