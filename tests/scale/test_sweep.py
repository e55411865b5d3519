"""A sweep: every trial once, one table, the same numbers wherever they are made."""

import json
import shutil
from dataclasses import replace

import pytest

from recprune.data.dataset import Split
from recprune.data.store import save_split
from recprune.errors import BudgetError, DataError
from recprune.models.build import build
from recprune.planning.budget import Budget
from recprune.recipe.shelf import Shelved, put
from recprune.scale import Scale, trial
from recprune.scale.sweep import SWEEP, TRIALS, sweep
from recprune.testing.data import tiny_split
from recprune.training.options import FitOptions

QUICK = {"options": FitOptions(epochs=1, batch=64), "rules": ("magnitude", "random"), "seeds": (0, 1)}


def shelve(folder, name, split, **settings):
    model = build(name, split, seed=1, **settings)
    put(folder, Shelved(folder, model, split.vocabularies, None, (), folder.parent / "prepared", settings))
    return folder


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """prepared/ and two models of it, mf/ and neumf/."""
    at, split = tmp_path_factory.mktemp("shop"), tiny_split()
    save_split(split, at / "prepared")
    shelve(at / "mf", "mf", split, dim=8)
    shelve(at / "small", "mf", split, dim=2)
    return at


def numbers(swept):
    """All of a table but the milliseconds."""
    said = json.loads(swept.to_json())
    for row in said["rows"]:
        row["point"].pop("request")
    return said


@pytest.fixture(scope="module")
def wanted(shop, tmp_path_factory):
    """One worker, nothing in the way."""
    out = tmp_path_factory.mktemp("wanted") / "sweep"
    return sweep([shop / "mf"], out, budgets=[Budget(0.5), Budget(0.8)], **QUICK), out


def test_every_model_budget_and_rule_is_a_row_with_all_its_seeds(shop, wanted):
    swept, out = wanted
    assert [(row.budget, row.rule, len(row.folders)) for row in swept.rows] == [
        ("", "", 1),
        ("factor 0.5", "magnitude", 2),
        ("factor 0.5", "random", 2),
        ("factor 0.8", "magnitude", 2),
        ("factor 0.8", "random", 2),
    ]
    assert len(list((out / TRIALS).iterdir())) == 9
    for row in swept.rows[1:]:
        said = [json.loads((out / TRIALS / name / "trial.json").read_text()) for name in row.folders]
        for metric, value in row.point.metrics.items():
            seeds = [one["metrics"][metric] for one in said]
            assert value == (None if None in seeds else pytest.approx(sum(seeds) / 2))
        assert row.point.factor >= float(row.budget.split()[1])
        assert (out / TRIALS / row.folders[0] / "small" / "manifest.json").is_file()
    assert json.loads((out / SWEEP).read_text())["rows"] == json.loads(swept.to_json())["rows"]


def test_what_no_other_row_beats_is_on_the_front(wanted):
    points, metric = [row.point for row in wanted[0].rows], wanted[0].metric
    for one in points:
        beaten = any(
            other.bytes <= one.bytes
            and other.metrics[metric] >= one.metrics[metric]
            and (other.bytes, other.metrics[metric]) != (one.bytes, one.metrics[metric])
            for other in points
        )
        assert one.front != beaten
    assert any(one.front for one in points)


def test_workers_of_ray_find_the_same_numbers(shop, wanted, ray, tmp_path):
    pytest.importorskip("ray.tune", reason="Ray Tune is not installed: pip install 'recprune[sweep]'")
    swept = sweep([shop / "mf"], tmp_path / "out", budgets=[Budget(0.5), Budget(0.8)], scale=Scale("ray", 2), **QUICK)
    assert numbers(swept) == numbers(wanted[0])
    for place in (wanted[1] / TRIALS).iterdir():
        weights = place / "small" / "weights.safetensors"
        if weights.is_file():
            assert (
                tmp_path / "out" / TRIALS / place.name / "small" / weights.name
            ).read_bytes() == weights.read_bytes()


def test_trials_that_stand_there_are_not_made_again(shop, wanted, tmp_path, monkeypatch):
    shutil.copytree(wanted[1], tmp_path / "out")
    places = sorted((tmp_path / "out" / TRIALS).iterdir())
    for place in places[:2]:
        shutil.rmtree(place)
    made, write = [], trial._write
    monkeypatch.setattr(trial, "_write", lambda one, fresh: made.append(one) or write(one, fresh))
    again = sweep([shop / "mf"], tmp_path / "out", budgets=[Budget(0.5), Budget(0.8)], **QUICK)
    assert (len(made), numbers(again)) == (2, numbers(wanted[0]))
    sweep([shop / "mf"], tmp_path / "out", budgets=[Budget(0.5), Budget(0.8), Budget(0.7)], **QUICK)
    assert [one.budget.factor for one in made[2:]] == [0.7] * 4


def test_several_models_stand_in_one_table_and_a_budget_that_cannot_be_met_says_why(shop, tmp_path):
    models, asked = [shop / "mf", shop / "small"], {**QUICK, "seeds": (0,), "budgets": [Budget(0.7, keep=0.3)]}
    found = sweep(models, tmp_path / "out", **asked)
    assert [row.model.rpartition("/")[2] for row in found.rows[:2]] == ["mf", "small"]
    assert list(found.refused) == [f"small, factor 0.7, {rule}" for rule in QUICK["rules"]]
    with pytest.raises(BudgetError, match="no budget can be met"):
        sweep(models[1:], tmp_path / "none", **asked)


def test_what_cannot_be_swept_is_refused_before_any_work(shop, tmp_path):
    with pytest.raises(DataError, match="each model once"):
        sweep([shop / "mf", shop / "mf"], tmp_path / "out")
    with pytest.raises(DataError, match="each budget once"):
        sweep([shop / "mf"], tmp_path / "out", budgets=[])
    (tmp_path / "other").mkdir()
    split = tiny_split(1)
    save_split(split, tmp_path / "other" / "prepared")
    other = shelve(tmp_path / "other" / "mf", "mf", split, dim=4)
    with pytest.raises(DataError, match="different data"):
        sweep([shop / "mf", other], tmp_path / "out")
    bare = Split(split.train, split.valid.take([]), split.test)
    save_split(bare, tmp_path / "other" / "bare")
    with pytest.raises(DataError, match="judged on validation"):
        sweep([other], tmp_path / "out", data=tmp_path / "other" / "bare")
    assert not (tmp_path / "out").exists()


def test_a_metric_that_there_is_not_is_refused_before_anything_is_pruned(shop, tmp_path):
    with pytest.raises(DataError, match="no metric 'nope' here"):
        sweep([shop / "mf", shop / "small"], tmp_path / "out", metric="nope", **QUICK)
    assert not list((tmp_path / "out" / TRIALS).glob("*/small"))


def test_models_whose_folders_have_one_name_are_told_apart(shop, tmp_path):
    for seed in (0, 1):
        shutil.copytree(shop / "small", tmp_path / f"seed-{seed}" / "big")
    models = [shop / "mf", tmp_path / "seed-0" / "big", tmp_path / "seed-1" / "big"]
    asked = {**QUICK, "seeds": (0,), "rules": ("magnitude",), "data": shop / "prepared"}
    found = sweep(models, tmp_path / "out", budgets=[Budget(0.7, keep=0.3)], metric="ndcg@20", **asked)
    assert [found.names[row.model] for row in found.rows] == ["mf", "seed-0/big", "seed-1/big", "mf"]
    assert list(found.refused) == [f"seed-{seed}/big, factor 0.7, magnitude" for seed in (0, 1)]


def test_a_rule_that_there_is_not_ends_the_sweep(shop, tmp_path):
    with pytest.raises(LookupError, match="magnitud"):
        sweep([shop / "mf"], tmp_path / "out", rules=("magnitud",))


def test_a_trial_is_known_by_what_its_model_is_and_not_by_where_it_lies(shop, tmp_path):
    one = trial.Trial(shop / "mf", shop / "prepared", Budget(0.5), None, 0, FitOptions())
    shutil.copytree(shop / "mf", tmp_path / "moved")
    assert replace(one, model=tmp_path / "moved").key == one.key
    others = [replace(one, model=shop / "small"), replace(one, seed=1), replace(one, budget=Budget(0.6))]
    others += [replace(one, rule="random"), replace(one, options=FitOptions(lr=1.0))]
    assert len({other.key for other in [one, *others]}) == 6
