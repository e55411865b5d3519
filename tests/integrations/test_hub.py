"""A folder for model hubs: safetensors alone reads it, and what comes back answers to the bit."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from recprune.errors import ArtifactError
from recprune.evaluation.inputs import example
from recprune.integrations import hub
from recprune.integrations.hub import from_pretrained, save_pretrained
from recprune.models.build import build
from recprune.packing import pack, storing
from recprune.planning.budget import Budget
from recprune.recipe.prune import plan
from recprune.recipe.pruned import carry_out
from recprune.testing.data import tiny_clicks, tiny_split
from recprune.tracing.build import named_tensors


@pytest.fixture(scope="module")
def small():
    split = tiny_clicks()
    model = build("deepfm", split, dim=4, hidden=[8])
    chosen = plan(model, split, budget=Budget(0.4), rule="magnitude")
    return split, carry_out(model, split, chosen, finetuned=False)


@pytest.fixture
def folder(small, tmp_path):
    _, done = small
    return save_pretrained(
        tmp_path / "hub", done.model, vocabularies=done.vocabularies, plan=done.plan, metrics={"auc": 0.75}
    )


def test_safetensors_alone_reads_the_weights(folder, small):
    read, own = load_file(folder / "model.safetensors"), named_tensors(small[1].model)
    assert read.keys() == own.keys()
    assert all(torch.equal(read[name], own[name]) for name in own)


def test_what_comes_back_answers_to_the_bit_and_knows_its_plan_and_ids(folder, small):
    split, done = small
    back = from_pretrained(folder)
    inputs = example(back.model, split)
    assert torch.equal(back.model(*inputs), done.model.eval()(*inputs))
    assert back.plan == done.plan
    assert back.vocabularies == done.vocabularies


def test_a_packed_model_comes_back_packed(tmp_path):
    split = tiny_split()
    model = build("mf", split, dim=16)
    packed = pack(model, storing(model, "int8_rows"))
    back = from_pretrained(save_pretrained(tmp_path / "packed", packed))
    inputs = example(back.model, split)
    assert back.manifest.encodings
    assert torch.equal(back.model(*inputs), packed(*inputs))


def test_the_card_is_one_that_the_hub_reads(folder):
    card = pytest.importorskip("huggingface_hub").ModelCard.load(folder / "README.md")
    assert card.data.library_name == "recprune"
    assert card.data.tags == ["recommender-system", "pruning"]
    assert "| auc | 0.75 |" in card.text
    assert "deepfm" in card.text


def test_a_card_of_ones_own_is_taken_and_files_of_a_repository_do_not_count(small, tmp_path):
    _, done = small
    folder = save_pretrained(tmp_path / "hub", done.model, card="# Mine\n")
    assert (folder / "README.md").read_text() == "# Mine\n"
    (folder / ".gitattributes").write_text("*.safetensors filter=lfs\n")
    (folder / "README.md").write_text("# Changed\n")
    assert from_pretrained(folder).manifest.model == "deepfm"


def test_it_may_be_written_again_but_never_over_something_else(small, tmp_path):
    _, done = small
    folder = save_pretrained(tmp_path / "hub", done.model)
    save_pretrained(folder, done.model)
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    with pytest.raises(ArtifactError, match="in the way"):
        save_pretrained(other, done.model)
    assert (other / "thesis.txt").read_text() == "years of work"
    (folder / ".git").mkdir()
    with pytest.raises(ArtifactError, match=r"holds '\.git'"):
        save_pretrained(folder, done.model)
    assert (folder / ".git").is_dir()


def test_a_changed_byte_is_seen(folder):
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArtifactError):
        from_pretrained(folder)


def test_a_changed_config_is_seen(folder):
    config = json.loads((folder / "config.json").read_text())
    config["recprune"]["config"]["dim"] = 5
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ArtifactError, match="changed"):
        from_pretrained(folder)


def test_names_that_lead_out_of_the_folder_are_refused(folder, tmp_path):
    (tmp_path / "secret").write_text("mine")
    config = json.loads((folder / "config.json").read_text())
    config["recprune"]["files"]["../secret"] = {"bytes": 4, "sha256": ""}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ArtifactError, match="no file of an artifact"):
        from_pretrained(folder)


def test_a_file_of_another_size_is_not_even_copied(folder, monkeypatch):
    with (folder / "model.safetensors").open("ab") as file:
        file.truncate(1 << 40)
    monkeypatch.setattr(hub.shutil, "copyfile", lambda *_: pytest.fail("it was copied"))
    with pytest.raises(ArtifactError, match="is no file of"):
        from_pretrained(folder)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there are no such devices here")
@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "plan.json"])
def test_a_device_without_an_end_is_not_read(name, folder):
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")
    with pytest.raises(ArtifactError, match=r"it is no file"):
        from_pretrained(folder)


@pytest.mark.parametrize("odd", ['"\\ud800"', "[" * 900 + "]" * 900, '{"a": 1, "a": 2}', "NaN", "1e999"])
def test_a_config_that_says_two_things_or_none_is_refused(odd, folder):
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"notes": {}', f'"notes": {{"x": {odd}}}'))
    assert odd in (folder / "config.json").read_text()
    with pytest.raises(ArtifactError):
        from_pretrained(folder)


@pytest.mark.parametrize("text", [None, "", "[]", '{"recprune": 1}', '{"model_type": "bert"}'])
def test_other_folders_are_told_from_ours(tmp_path, text):
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(ArtifactError, match="not written by save_pretrained"):
        from_pretrained(tmp_path)


def test_a_file_that_is_missing_is_named(folder):
    (folder / "plan.json").unlink()
    with pytest.raises(ArtifactError, match=r"plan\.json"):
        from_pretrained(folder)
