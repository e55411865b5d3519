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
    subjects = {
        "one": usual.Subject("Clicks", "clicks", tiny_clicks, ("fm",), "auc"),
        "other": usual.Subject("Lists", "lists", tiny_split, ("mf",), "ndcg@20"),
    }
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


def test_rows_of_sets_that_are_not_named_stay(monkeypatch, tmp_path):
    subjects = {
        name: usual.Subject(name.title(), name, tiny_clicks, ("fm", "lr"), "auc") for name in ("one", "other", "third")
    }
    values = iter(range(9))
    monkeypatch.setattr(usual, "SUBJECTS", subjects)
    monkeypatch.setattr(
        usual, "judged", lambda *_: dict.fromkeys(("plain", "usual"), [usual.Done(next(values), 1.0, 2)] * 2)
    )
    monkeypatch.setattr(result, "FOLDER", tmp_path)
    monkeypatch.setattr(result, "commit", lambda: "here")
    usual.main(["other"])
    usual.main(["one"])
    found = json.loads((tmp_path / "usual.json").read_text())
    assert [[*row[:2], row[3]] for row in found["rows"]] == [
        ["One", "fm", 2],
        ["One", "lr", 3],
        ["Other", "fm", 0],
        ["Other", "lr", 1],
    ]
    assert found["notes"][-1] == "Measured in an earlier run: Other"
