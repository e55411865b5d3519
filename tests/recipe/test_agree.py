"""The proof: what was cut answers as the masked original does, and what was changed afterwards is found out."""

from pathlib import Path

import pytest
import torch

import recprune
from recprune.artifact import load, save
from recprune.artifact.proof import Proof
from recprune.errors import ArtifactError, SurgeryError
from recprune.recipe.agree import agree
from recprune.recipe.shelf import Shelved, put, take
from recprune.recipe.verify import verify
from recprune.testing import tiny_clicks, tiny_split

MODELS = ["mf", "ease", "deepfm", "sasrec"]


def made(name: str, factor: float = 0.4, **options: object):
    split = tiny_clicks() if name in ("deepfm", "dcn", "fm", "autoint") else tiny_split()
    model = recprune.build(name, split, seed=1)
    for parameter in model.parameters():
        parameter.data.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)))
    small = recprune.prune(model, split, factor, rule="magnitude", finetuned=False, **options)
    return split, model, small


@pytest.mark.parametrize("name", MODELS)
def test_what_was_cut_is_proven_and_comes_through_a_file(name: str, tmp_path: Path):
    split, model, small = made(name)
    proof = agree(model, small.plan, small.model, split.vocabularies, split)
    assert proof.holds
    assert not proof.trained
    assert proof.cut.requests == (24 if proof.asked == "users" else len(split.train))
    assert Proof.from_json(proof.to_json()) == proof
    save(tmp_path / "a", small.model, plan=small.plan, vocabularies=small.vocabularies, proof=proof)
    assert load(tmp_path / "a").proof == proof
    drawn = agree(model, small.plan, small.model, split.vocabularies, requests=500)
    assert drawn.holds
    assert drawn.cut.requests == 500


@pytest.mark.parametrize("name", ["mf", "deepfm"])
def test_what_was_trained_after_the_cut_is_proven_too(name: str):
    split, model, small = made(name)
    for parameter in small.model.parameters():
        parameter.data.mul_(1.25)
    proof = agree(model, small.plan, small.model, split.vocabularies, split)
    assert proof.holds
    assert proof.trained


def test_rows_stored_as_codes_are_no_farther_off_than_their_encoding_allows():
    split, model, small = made("mf", encodings=["int8_rows"])
    assert small.plan.encodings
    proof = agree(model, small.plan, small.model, split.vocabularies, split)
    assert proof.holds
    assert proof.tables.keys() == small.plan.encodings.keys()
    assert all(0 < table.farthest <= table.bound for table in proof.tables.values())
    assert "of at most" in proof.sentence()


def test_a_model_that_answers_otherwise_has_no_proof():
    split, model, small = made("mf")
    good = small.model.forward
    small.model.forward = lambda *inputs: good(*inputs).roll(1, -1)
    proof = agree(model, small.plan, small.model, split.vocabularies, split)
    assert not proof.holds
    other = recprune.prune(model, split, 0.7, rule="magnitude", finetuned=False)
    with pytest.raises(SurgeryError, match="this cut does not leave"):
        agree(model, other.plan, small.model, split.vocabularies, split)


def test_a_proof_of_other_weights_is_neither_stored_nor_read(tmp_path: Path):
    split, model, small = made("mf")
    proof = agree(model, small.plan, small.model, split.vocabularies, split)
    small.model.item.weight.data.mul_(2)
    with pytest.raises(ArtifactError, match="other weights"):
        save(tmp_path / "a", small.model, plan=small.plan, proof=proof)
    shelved = Shelved(tmp_path / "a", small.model, small.vocabularies, small.plan, (), None, {}, proof)
    put(tmp_path / "a", shelved)
    assert take(tmp_path / "a").proof is None
    for text in ("[]", "{}", '{"format": 2}', proof.to_json().replace('"k": ', '"k": -'), "{" * 99_999):
        with pytest.raises(ArtifactError, match="this is no proof"):
            Proof.from_json(text)


def test_verify_finds_what_differs(tmp_path: Path):
    split, model, small = made("mf")
    proof = agree(model, small.plan, small.model, split.vocabularies, split)
    big = Shelved(tmp_path / "big", model, split.vocabularies, None, (), None)
    put(tmp_path / "big", big)
    put(tmp_path / "small", Shelved(tmp_path, small.model, small.vocabularies, small.plan, (), None, {}, proof))
    alone = verify(tmp_path / "small")
    assert alone.holds
    assert [check.name for check in alone.checks] == ["files", "plan", "answers", "proof"]
    assert verify(tmp_path / "big").holds
    both = verify(tmp_path / "small", tmp_path / "big", requests=300)
    assert both.holds
    assert both.proof.cut.requests == 300
    another = recprune.build("mf", tiny_split(users=30), seed=1)
    put(tmp_path / "other", Shelved(tmp_path, another, tiny_split(users=30).vocabularies, None, (), None))
    wrong = verify(tmp_path / "small", tmp_path / "other")
    assert not wrong.holds
    assert "another model" in wrong.checks[-1].found
    assert not verify(tmp_path / "big", tmp_path / "other").holds
