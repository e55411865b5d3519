"""The benchmark of click models, on tiny data."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from recprune.data.pasts import with_pasts
from recprune.testing import tiny_clicks
from recprune.testing.data import tiny_mixed

sys.path.append(str(Path(__file__).parents[2]))
clicks = importlib.import_module("benchmarks.clicks")
rivals = importlib.import_module("benchmarks.clicks_rivals")
result = importlib.import_module("benchmarks.result")
tables = importlib.import_module("benchmarks.tables")

SMALL = {"lr": {}, "deepfm": {"dim": 4, "hidden": (8,)}}


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """One tiny set of data, two of our models, and folders of its own."""
    told = clicks.Set("tiny", lambda: tiny_mixed(rows=400, missing=0.2), clicks.Pace(2, 64), {"age": 4})
    monkeypatch.setattr(clicks, "SETS", {"tiny": told})
    monkeypatch.setattr(clicks, "OURS", SMALL)
    monkeypatch.setattr(clicks, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(result, "FOLDER", tmp_path / "results")
    monkeypatch.setattr(result, "commit", lambda: "here")
    monkeypatch.setattr(rivals, "CATEGORIES", 5)  # items and users are fields of many values here
    return tmp_path


def test_every_model_is_measured_once_and_stands_in_the_table(tiny, monkeypatch):
    clicks.main(["tiny"])
    made = json.loads((tiny / "results" / "clicks_tiny.json").read_text())
    names = [row[0] for row in made["rows"]]
    assert {"lr", "deepfm", "lr, numbers in bins", "deepfm, numbers in bins"} <= set(names)
    assert {"scikit-learn logistic regression", "scikit-learn boosted trees"} <= set(names)
    for row in made["rows"]:
        assert all(0 < row[place] <= 1 for place in (1, 4))
    assert "| lr |" in tables.table(made)
    monkeypatch.setattr(clicks, "best", None)
    clicks.main(["tiny"])
    assert json.loads((tiny / "results" / "clicks_tiny.json").read_text())["rows"] == made["rows"]


def test_models_that_are_asked_for_stand_beside_those_of_an_earlier_run(tiny):
    clicks.main(["tiny"], only=["deepfm"])
    clicks.main(["tiny"], only=["lr"])
    made = json.loads((tiny / "results" / "clicks_tiny.json").read_text())
    assert [row[0] for row in made["rows"]] == ["lr", "deepfm"]
    assert made["notes"][-1] == "Measured in an earlier run: deepfm"
    with pytest.raises(SystemExit, match="no fm: there are lr, "):
        clicks.main(["tiny"], only=["fm"])


def test_the_choice_is_made_on_validation_and_the_test_part_read_for_it_alone():
    split, asked = tiny_mixed(), []
    labels = split.valid["label"]

    def train(split, seed, choice, pace):
        def test():
            asked.append(choice["sign"])
            return split.test["label"].astype(np.float64)

        return rivals.Answer(choice["sign"] * labels.astype(np.float64), test, 3, 0.0)

    found = clicks.best(split, 0, ({"sign": -1}, {"sign": 1}), train, clicks.Pace(1, 1))
    assert asked == [1]
    assert (found["choice"], found["valid"], found["auc"]) == ({"sign": 1}, 1.0, 1.0)


def test_a_trial_on_a_few_rows_writes_no_result(tiny, capsys):
    clicks.main([], rows=60)
    assert not (tiny / "results").exists()
    assert '"deepfm"' in capsys.readouterr().out


def test_a_model_stands_beside_others_where_the_rows_have_what_it_needs():
    told = clicks.Set("tiny", tiny_clicks, clicks.Pace(1, 64))
    bare = tiny_clicks()
    assert "neumf" in clicks.contenders(told, bare)
    assert "din" not in clicks.contenders(told, bare)
    assert "din" in clicks.contenders(told, with_pasts(bare, 4))


def test_numbers_in_distinct_bins_are_tried_with_the_choices_of_the_plain_ones(monkeypatch):
    seen = {}

    def own(name, split, seed, choice, pace):
        seen[name] = split.vocabularies["price"].ids, split.train.roles.numeric

    monkeypatch.setattr(clicks, "own", own)
    split = tiny_mixed()
    found = clicks.contenders(clicks.Set("tiny", tiny_mixed, clicks.Pace(1, 64), distinct=("price",)), split)
    for name in ("lr", "deepfm", "dcn"):
        choices, train = found[f"{name}, price in distinct bins"]
        assert choices == found[name][0]
        train(split, 0, choices[0], clicks.Pace(1, 64))
        assert len(seen[name][0]) == len(np.unique(split.train["price"]))
        assert seen[name][1] == ("age",)
    assert f"{clicks.TAUGHT}, price in distinct bins" in found


def test_a_choice_that_was_made_elsewhere_is_the_only_one():
    given = {"fgcnn": clicks.CHOICES[1:2]}
    told = clicks.Set("tiny", tiny_clicks, clicks.Pace(1, 64), given=given)
    found = clicks.contenders(told, tiny_clicks())
    assert found["fgcnn"][0] == given["fgcnn"]
    assert found["deepfm"][0] == clicks.CHOICES


def test_a_model_that_is_not_measured_on_a_set_is_no_contender_there():
    told = clicks.Set("tiny", tiny_clicks, clicks.Pace(1, 64), without=frozenset({"fgcnn", clicks.TAUGHT}))
    found = clicks.contenders(told, tiny_clicks())
    assert "deepfm" in found
    assert not {"fgcnn", clicks.TAUGHT} & set(found)
    assert not any(clicks.TAUGHT in note for note in clicks.notes(told))
