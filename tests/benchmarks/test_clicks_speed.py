"""The benchmark of what makes click models fast, on tiny data."""

import importlib
import json
import sys
from pathlib import Path

import pytest
import torch

from recprune.models.build import build
from recprune.testing.data import tiny_clicks
from recprune.training.fit import FitOptions

sys.path.append(str(Path(__file__).parents[2]))
clicks_speed = importlib.import_module("benchmarks.clicks_speed")
made_by = importlib.import_module("benchmarks.clicks_speed_models")
result = importlib.import_module("benchmarks.result")
tables = importlib.import_module("benchmarks.tables")

pytestmark = pytest.mark.filterwarnings("ignore")


def recipe(seed=0, name="deepfm"):
    split = tiny_clicks()
    return build(name, split, seed=seed, dim=16, hidden=[32, 32]), split, FitOptions(batch=64, seed=seed)


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    pytest.importorskip("torch_pruning")
    for name, value in {"RUNS": tmp_path / "runs", "RECIPES": {"deepfm": recipe}, "BATCHES": (1, 9)}.items():
        monkeypatch.setattr(clicks_speed, name, value)
    monkeypatch.setattr(clicks_speed, "FACTORS", {"deepfm": (0.4, 0.5)})
    monkeypatch.setattr(made_by, "RATIOS", (0.5,))
    monkeypatch.setattr(clicks_speed, "EPOCHS", 2)
    monkeypatch.setattr(clicks_speed, "TUNING", 2)
    monkeypatch.setattr(clicks_speed, "SECONDS", 0.0)
    monkeypatch.setattr(clicks_speed, "RUNTIMES", {n: clicks_speed.RUNTIMES[n] for n in ("eager", "kernels")})
    monkeypatch.setattr(result, "FOLDER", tmp_path / "results")
    monkeypatch.setattr(result, "commit", lambda: "here")
    return tmp_path


def test_every_side_stands_in_the_table_and_models_are_trained_once(tiny, monkeypatch):
    clicks_speed.main(["deepfm"])
    made = json.loads((tiny / "results" / "clicks_speed_deepfm.json").read_text())
    sides = {tuple(row[:2]): dict(zip(made["columns"], row, strict=True)) for row in made["rows"]}
    assert {name for name, _ in sides} == {
        *("dense", "dense, a table a field", "dense, int8", "pruned", "pruned, int8", "torch-pruning")
    }
    assert sides["dense", "eager"]["minus dense"] == 0
    assert sides["dense", "kernels"]["test AUC"] == sides["dense", "eager"]["test AUC"]
    assert sides["dense, a table a field", "eager"]["test AUC"] == sides["dense", "eager"]["test AUC"]
    assert sides["pruned", "kernels"]["parameters"] < sides["dense", "kernels"]["parameters"]
    assert sides["torch-pruning", "eager"]["parameters"] < sides["dense", "eager"]["parameters"]
    assert any("a table a field, kernels: the kernels run" in note for note in made["notes"])
    assert any(note.startswith("Times as fast by int8") for note in made["notes"])
    assert "torch-pruning" in tables.table(made)
    monkeypatch.setattr(made_by, "fit", None)
    monkeypatch.setattr(made_by, "finetune", None)
    monkeypatch.setattr(made_by, "carry_out", None)
    clicks_speed.main(["deepfm"])


def test_torch_pruning_gets_a_table_a_field_where_it_fails_otherwise(tmp_path):
    pytest.importorskip("torch_pruning")
    model, split, _ = recipe(name="dcn")
    rows = made_by.example(model.eval(), split)
    apart = made_by.per_field(model)
    torch.testing.assert_close(apart(*rows), model(*rows))
    made = made_by.kept(tmp_path / "a", lambda: made_by.by_torch_pruning(model, rows, 0.5), model)
    again = made_by.kept(tmp_path / "a", None, model)
    assert {table.embedding_dim for table in made.tables} == {8}
    assert [layer.out_features for layer in made.cross] == [made.cross[0].in_features] * 3
    torch.testing.assert_close(made(*rows), again(*rows))


def test_the_smallest_model_that_is_good_enough_is_taken(monkeypatch):
    split, models = tiny_clicks(), [build("lr", tiny_clicks()), build("fm", tiny_clicks())]
    values = iter([0.8, 0.9, 0.8, 0.9, 0.8, 0.9])
    monkeypatch.setattr(made_by, "auc", lambda *_: next(values))
    assert made_by.taken(models, split, 0.85) is models[1]
    assert made_by.taken(models, split, 0.75) is models[0]
    assert made_by.taken(models, split, 0.95) is models[1]
