"""recprune apply, verify and import, from folder to folder."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import recprune
from recprune.artifact import load
from recprune.artifact.manifest import facts_of, sealed
from recprune.cli import app
from recprune.data.store import save_split
from recprune.recipe.shelf import Shelved, put, take
from recprune.testing import tiny_split


def call(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app(), [str(word) for word in words])
    return done.exit_code, done.output


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    at, split = tmp_path_factory.mktemp("street"), tiny_split()
    save_split(split, at / "prepared")
    model = recprune.build("mf", split, dim=8, seed=1)
    put(at / "big", Shelved(at / "big", model, split.vocabularies, None, (), at / "prepared"))
    plan = recprune.prune(model, split, 0.5, rule="magnitude", finetuned=False).plan
    (at / "plan.json").write_text(plan.to_json())
    code, text = call("apply", at / "big", at / "plan.json", "-o", at / "small")
    assert code == 0, text
    return at


def test_apply_stores_a_proof_and_verify_finds_it_again(street: Path):
    proof = load(street / "small").proof
    assert proof.holds
    assert (proof.asked, proof.cut.requests) == ("users", 24)
    code, text = call("verify", street / "small", "--against", street / "big", "--json")
    assert code == 0, text
    said = json.loads(text[text.index("{\n") :])
    assert [check["name"] for check in said["checks"]] == [
        *("files", "plan", "answers", "proof", "against", "stored proof")
    ]
    assert said["ok"]
    code, text = call("verify", street / "small")
    assert (code, "small: ok" in text) == (0, True)


def test_verify_says_what_differs_and_ends_with_2(street: Path, tmp_path: Path):
    loaded = load(street / "small")
    content = json.loads((street / "small" / "proof.json").read_text())
    content["cut"]["same"] -= 1
    folder = tmp_path / "small"
    recprune.save(folder, loaded.model, vocabularies=loaded.vocabularies, plan=loaded.plan)
    data = json.dumps(content).encode()
    (folder / "proof.json").write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest.pop("sha256")
    recprune.save(tmp_path / "other", loaded.model, vocabularies=loaded.vocabularies, plan=loaded.plan)
    facts = facts_of(data)
    manifest["files"]["proof.json"] = {"bytes": facts.bytes, "sha256": facts.sha256}
    (folder / "manifest.json").write_text(sealed(manifest))
    code, text = call("verify", folder)
    assert code == 2
    assert "is not what it says: proof: asked 24 users: the best" in text
    code, text = call("verify", tmp_path / "other")
    assert (code, "it holds none" in text) == (0, True)


def test_a_checkpoint_is_imported_into_a_model_of_the_data(street: Path, tmp_path: Path):
    model = load(street / "big").model
    state = {f"net.{name}": tensor for name, tensor in model.state_dict().items()}
    torch.save(state, tmp_path / "m.pt")
    words = ["--model", "mf", "--data", street / "prepared", "--set", "dim=8", "--rename", "net.="]
    code, text = call("import", tmp_path / "m.pt", "-o", tmp_path / "a", *words)
    assert code == 0, text
    loaded = load(tmp_path / "a")
    assert loaded.vocabularies == load(street / "big").vocabularies
    assert torch.equal(loaded.model(torch.arange(4)), model(torch.arange(4)))
    code, text = call("import", tmp_path / "m.pt", "-o", tmp_path / "b")
    assert (code, "net.item.weight" in text) == (0, True)
    code, text = call("import", tmp_path / "m.pt", "-o", tmp_path / "c", "--model", "mf")
    assert (code, "--model needs --data" in text) == (2, True)


def test_apply_replaces_the_same_cut_and_with_force_any_other(street: Path, tmp_path: Path):
    words = ("apply", street / "big", street / "plan.json", "-o", tmp_path / "small")
    assert call(*words)[0] == call(*words)[0] == 0
    code, text = call("finetune", tmp_path / "small", "--epochs", 1)
    assert code == 0, text
    tuned = (tmp_path / "small" / "manifest.json").read_bytes()
    code, text = call(*words)
    assert (code, "trained after it was cut (finetune of 1 epoch)" in text, "--force" in text) == (2, True, True)
    assert (tmp_path / "small" / "manifest.json").read_bytes() == tuned
    code, text = call(*words, "--force")
    assert code == 0, text
    assert load(tmp_path / "small").proof.holds


def test_train_and_import_replace_a_model_but_none_that_was_pruned_or_trained_further(street: Path, tmp_path: Path):
    words = ("train", street / "prepared", "--model", "mf", "--set", "dim=4", "--epochs", 1, "-o", tmp_path / "a")
    assert call(*words)[0] == call(*words)[0] == 0
    assert call("finetune", tmp_path / "a", "--epochs", 1)[0] == 0
    torch.save(load(tmp_path / "a").model.state_dict(), tmp_path / "m.pt")
    assert call("apply", street / "big", street / "plan.json", "-o", tmp_path / "small")[0] == 0
    for out, why in (("a", "trained further (finetune of 1 epoch)"), ("small", "a model that was pruned")):
        for asked in (words[:-1], ("import", tmp_path / "m.pt", "-o")):
            before = (tmp_path / out / "manifest.json").read_bytes()
            code, text = call(*asked, tmp_path / out)
            assert (code, why in text, "--force" in text) == (2, True, True), text
            assert (tmp_path / out / "manifest.json").read_bytes() == before
    code, text = call(*words[:-1], tmp_path / "small", "--force")
    assert code == 0, text
    assert load(tmp_path / "small").plan is None
    code, text = call("import", tmp_path / "m.pt", "-o", tmp_path / "a", "--force")
    assert code == 0, text


def test_finetune_replaces_what_came_from_the_same_model_and_no_other(street: Path, tmp_path: Path):
    assert call("apply", street / "big", street / "plan.json", "-o", tmp_path / "small")[0] == 0
    words = ("finetune", tmp_path / "small", "--epochs", 1, "-o")
    assert call(*words, tmp_path / "tuned")[0] == call(*words, tmp_path / "tuned")[0] == 0
    assert [work.what for work in take(tmp_path / "tuned").works] == ["finetune"]
    assert call("train", street / "prepared", "--model", "mf", "--epochs", 1, "-o", tmp_path / "other")[0] == 0
    code, text = call(*words, tmp_path / "other")
    assert (code, "a model that was not pruned" in text, "--force" in text) == (2, True, True)
    assert call(*words, tmp_path / "tuned")[0] == 0
    code, text = call("finetune", tmp_path / "tuned", "--epochs", 1, "-o", tmp_path / "small")
    assert (code, "did not come from" in text) == (2, True)
    code, text = call(*words, tmp_path / "other", "--force")
    assert code == 0, text
    assert load(tmp_path / "other").plan == load(tmp_path / "small").plan
