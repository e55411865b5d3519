"""A cut model stands where the same cut may be written again, and nothing else may."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import recprune
from recprune.artifact.manifest import WEIGHTS
from recprune.data.store import save_split
from recprune.errors import ArtifactError
from recprune.recipe.in_the_way import other_cut, other_tuned, other_work, same_weights
from recprune.recipe.shelf import Shelved, Work, put, take
from recprune.testing import tiny_split

TRAIN = Work("train", {}, 3, 2, 0.5, "ndcg@20")
TUNE = replace(TRAIN, what="finetune", epochs=1)


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shelved, Shelved]:
    """A model of one training as it stands on the shelf, and its cut, which stands nowhere."""
    at, split = tmp_path_factory.mktemp("shelf"), tiny_split()
    model = recprune.build("mf", split, dim=8, seed=1)
    save_split(split, at / "prepared")
    put(at / "big", Shelved(at / "big", model, split.vocabularies, None, (TRAIN,), at / "prepared"))
    whole = take(at / "big")
    small = recprune.prune(whole.model, split, 0.5, rule="magnitude", finetuned=False)
    return whole, replace(whole, model=small.model, plan=small.plan, vocabularies=small.vocabularies)


def refused(folder: Path, there: Shelved, whole: Shelved, plan: recprune.Plan) -> str:
    """What is said where this model stands in the folder; its weights are those that stood there."""
    put(folder, there)
    before = (folder / WEIGHTS).read_bytes()
    with pytest.raises(ArtifactError, match=r"it would be replaced: .* or replace it with --force") as error:
        other_cut(folder, whole, plan)
    assert (folder / WEIGHTS).read_bytes() == before
    assert error.value.path == str(folder)
    return str(error.value)


def test_where_nothing_stands_nothing_is_in_the_way(cut, tmp_path):
    whole, small = cut
    assert other_cut(tmp_path / "none", whole, small.plan) is None
    assert other_cut(tmp_path, whole, small.plan) is None


def test_the_same_cut_is_in_nobodys_way(cut, tmp_path):
    whole, small = cut
    put(tmp_path / "small", small)
    same_weights(other_cut(tmp_path / "small", whole, small.plan), small.model)


def test_a_model_that_was_fine_tuned_is_told_with_its_epochs(cut, tmp_path):
    whole, small = cut
    tuned = replace(small, works=(TRAIN, TUNE))
    said = refused(tmp_path / "small", tuned, whole, small.plan)
    assert "trained after it was cut (finetune of 1 epoch)" in said


def test_a_model_that_a_kill_set_aside_is_in_the_way_too(cut, tmp_path):
    whole, small = cut
    tuned = replace(small, works=(TRAIN, TUNE))
    put(tmp_path / "small", tuned)
    (tmp_path / "small").rename(tmp_path / ".small.old")
    with pytest.raises(ArtifactError, match=r"trained after it was cut \(finetune of 1 epoch\)"):
        other_cut(tmp_path / "small", whole, small.plan)
    with pytest.raises(ArtifactError, match="a model that was pruned"):
        other_work(tmp_path / "small")
    with pytest.raises(ArtifactError, match="a model of another plan"):
        other_tuned(tmp_path / "small", whole.folder)


def test_a_model_of_another_plan_is_told_with_its_share_and_rule(cut, tmp_path):
    whole, small = cut
    other = recprune.prune(whole.model, whole.split(), 0.25, rule="random", finetuned=False)
    there = replace(small, model=other.model, plan=other.plan, vocabularies=other.vocabularies)
    said = refused(tmp_path / "small", there, whole, small.plan)
    assert f"a model of another plan ({other.plan.account().share_removed:.1%} removed by" in said
    assert "Random" in said


def test_the_larger_model_itself_is_not_replaced_by_its_cut(cut, tmp_path):
    whole, small = cut
    assert "a model that was not pruned" in refused(tmp_path / "big", whole, whole, small.plan)


def test_the_cut_of_another_training_is_told(cut, tmp_path):
    whole, small = cut
    there = replace(small, works=(replace(TRAIN, seconds=0.7),))
    assert "cut from another training than that of" in refused(tmp_path / "small", there, whole, small.plan)


def test_a_model_that_cannot_be_read_is_not_taken_for_the_same_cut(cut, tmp_path):
    whole, small = cut
    put(tmp_path / "small", small)
    weights = tmp_path / "small" / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"\xff")
    with pytest.raises(ArtifactError, match="a model that cannot be read"):
        other_cut(tmp_path / "small", whole, small.plan)


def test_other_weights_of_the_same_plan_and_trainings_are_told(cut, tmp_path):
    whole, small = cut
    other = recprune.prune(whole.model, whole.split(), 0.5, rule="magnitude", finetuned=False).model
    with torch.no_grad():
        next(other.parameters()).add_(1)
    put(tmp_path / "small", replace(small, model=other))
    there = other_cut(tmp_path / "small", whole, small.plan)
    with pytest.raises(ArtifactError, match="of this plan with other weights"):
        same_weights(there, small.model)
