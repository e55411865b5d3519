"""The benchmarks of few bytes and of one plan beside single kinds, on tiny data."""

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from recprune.models.build import build
from recprune.planning.budget import Budget
from recprune.recipe.prune import plan
from recprune.recipe.rating import choose_by
from recprune.testing.data import tiny_clicks
from recprune.training.fit import FitOptions

sys.path.append(str(Path(__file__).parents[2]))
few_bytes = importlib.import_module("benchmarks.few_bytes")
joint = importlib.import_module("benchmarks.joint")
served_clicks = importlib.import_module("benchmarks.served_clicks")
result = importlib.import_module("benchmarks.result")


def recipe(seed=0):
    split = tiny_clicks()
    return build("deepfm", split, seed=seed, dim=16, hidden=[32]), split, FitOptions(batch=64, seed=seed)


@pytest.fixture
def small(monkeypatch, tmp_path):
    for module in (few_bytes, joint):
        monkeypatch.setattr(module, "RUNS", tmp_path / "runs")
        monkeypatch.setattr(module, "SEEDS", (0, 1))
    monkeypatch.delitem(served_clicks.RUNTIMES, "onnx")  # whose exports take minutes
    monkeypatch.setattr(few_bytes, "SHARES", (0.7, 0.6, 0.5))
    monkeypatch.setattr(few_bytes, "FIRST", 0.6)
    monkeypatch.setattr(few_bytes, "SUBJECTS", {"deepfm": few_bytes.Subject("DeepFM", "frappe", recipe, 2, 3)})
    monkeypatch.setattr(joint, "EPOCHS", 2)
    monkeypatch.setattr(joint, "SHARES", (0.7, 0.5))
    monkeypatch.setattr(joint, "FIRST", "70%, all kinds and bits")
    monkeypatch.setattr(joint, "frappe_deepfm", recipe)
    monkeypatch.setattr(result, "FOLDER", tmp_path / "results")
    monkeypatch.setattr(result, "commit", lambda: "here")
    return tmp_path


def test_every_side_stands_in_the_table_and_a_seed_is_measured_once(small, monkeypatch):
    few_bytes.main(["deepfm"])
    found = json.loads((small / "results" / "few_bytes_deepfm.json").read_text())
    names = [row[0] for row in found["rows"]]
    assert {"dense", "60%, pruned", "50%, pruned", "60%, random units", "dense, trained as long"} <= set(names)
    assert {"60%, same size from scratch", "50%, same size from scratch"} <= set(names)
    shares = [name.partition(",")[0] for name in names if "%" in name]
    assert (names[0], *dict.fromkeys(shares)) == ("dense", "70%", "60%", "50%")
    share = {row[0]: row[4] for row in found["rows"]}
    assert share["dense"] == 1.0
    assert share["60%, pruned"] <= 0.6
    assert share["50%, pruned"] <= 0.5
    assert share["60%, same size from scratch"] == share["60%, pruned"]
    columns = found["columns"]
    for name in ("dense", "60%, pruned", "50%, pruned", "dense, int8"):
        row = dict(zip(columns, next(row for row in found["rows"] if row[0] == name), strict=True))
        assert all(row[column] > 0 for column in columns if column.startswith("ms "))
    assert next(row for row in found["rows"] if row[0] == "60%, random units")[columns.index("ms a request")] is None
    assert not list((small / "runs").glob("*.begun"))
    monkeypatch.setattr(few_bytes, "measure", None)
    few_bytes.main(["deepfm"])
    assert json.loads((small / "results" / "few_bytes_deepfm.json").read_text()) == found


def test_a_seed_that_was_stopped_goes_on_from_the_trainings_that_are_done(small, monkeypatch):
    def stopped(*given, **named):
        raise InterruptedError

    with monkeypatch.context() as patch:
        patch.setattr(few_bytes, "by_chance", stopped)
        with pytest.raises(InterruptedError):
            few_bytes.resumed("deepfm", 0)
    begun = next((small / "runs").glob("*.begun"))
    done = {path.name for path in begun.iterdir()}
    assert {"dense", "dense-longer", "plan-70%", "plan-60%", "60,-pruned", "60,-same-size-from-scratch"} <= done
    made: list[float] = []

    def counted(ratings, model, split, budget, **named):
        made.append(budget.bytes)
        return choose_by(ratings, model, split, budget, **named)

    monkeypatch.setattr(few_bytes, "choose_by", counted)
    assert few_bytes.resumed("deepfm", 0).sides
    assert [made.count(size) for size in sorted(set(made))] == [2, 1]  # of 60 %, rare ids alone


def test_every_plan_stands_beside_the_one_of_all_kinds_or_is_said_to_be_out_of_reach(small):
    joint.main()
    found = json.loads((small / "results" / "joint.json").read_text())
    rows = {row[0]: row for row in found["rows"]}
    for share in ("70%", "50%"):
        assert rows[f"{share}, all kinds and bits"][5] is None
        kinds = [f"{share}, {kind}s{bits}" for kind in ("dim", "neuron", "id", "field") for bits in ("", " and bits")]
        for name in [f"{share}, bits", *kinds]:
            assert (name in rows) != (name in found["notes"][1])
    assert all(row[2] <= float(name[:2]) / 100 for name, row in rows.items() if name != "dense")
    beside = [row for name, row in rows.items() if row[6] is not None]
    assert beside
    assert all(len(row[6].split(", ")) == 2 for row in beside)


def test_units_are_rated_once_and_plans_are_those_of_plan(monkeypatch):
    model, split, options = recipe()
    options, rate, rated = replace(options, epochs=2), few_bytes.rate, []
    monkeypatch.setattr(few_bytes, "rate", lambda *given, **named: rated.append(1) or rate(*given, **named))
    choose = few_bytes.cheapest(model, split, Budget(bytes=1), tuning=options, seed=1)
    for budget in (Budget(bytes=6000), Budget(bytes=4000)):
        assert choose(budget) == plan(model, split, budget=budget, tuning=options, seed=1)
    assert len(rated) == 1
