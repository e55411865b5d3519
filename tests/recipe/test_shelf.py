"""A model on the shelf is asked without data too: with codes that are drawn for it."""

import dataclasses
import json
import shutil

import pytest
import torch

from recprune.artifact.manifest import KIND as MODEL
from recprune.artifact.manifest import sealed
from recprune.data.pasts import with_pasts
from recprune.data.store import KIND as PREPARED
from recprune.data.store import save_split
from recprune.errors import ArtifactError
from recprune.evaluation.inputs import example
from recprune.models.build import build
from recprune.planning.budget import Budget
from recprune.recipe.prune import prune
from recprune.recipe.shelf import Shelved, Work, drawn, free, kind_of, put, take
from recprune.recipe.verify import verify
from recprune.testing.data import tiny_mixed, tiny_split

SPLITS = {"deepfm": tiny_mixed, "din": lambda: with_pasts(tiny_mixed(), 4), "caser": tiny_split, "ease": tiny_split}


@pytest.mark.parametrize("name", SPLITS)
def test_what_is_drawn_is_of_the_sorts_that_data_has(name):
    split = SPLITS[name]()
    model = build(name, split).eval()
    real, made = example(model, split), drawn(model, split.vocabularies, rows=5)
    assert [(x.dtype, x.dim()) for x in made] == [(x.dtype, x.dim()) for x in real]
    assert all(len(x) == 5 for x in made)
    assert model(*made).isfinite().all()
    for column, codes in zip(model.columns, made, strict=True):
        if not codes.is_floating_point():
            assert codes.max() < len(split.vocabularies["item" if column == "sequence" else column])


@pytest.mark.parametrize("link", [False, True])
def test_folders_that_a_kill_set_aside_are_read_with_their_data(tmp_path, link):
    split = tiny_split()
    save_split(split, tmp_path / "prepared")
    put(
        tmp_path / "mf",
        Shelved(tmp_path / "mf", build("mf", split), split.vocabularies, None, (), tmp_path / "prepared"),
    )
    place = tmp_path / "mf"
    if link:
        (tmp_path / "elsewhere").mkdir()
        place = tmp_path / "elsewhere" / "linked"
        place.symlink_to(tmp_path / "mf")
    (tmp_path / "mf").rename(tmp_path / ".mf.old")
    assert take(place).split().train.n_items == split.train.n_items
    assert kind_of(place) == MODEL
    (tmp_path / "prepared").rename(tmp_path / ".prepared.old")
    assert take(place).split().train.n_items == split.train.n_items
    assert kind_of(tmp_path / "prepared") == PREPARED
    with pytest.raises(ArtifactError, match="is prepared data"):
        free(tmp_path / "prepared")


def test_rows_have_fewer_codes_than_there_is_room_for_and_zeros_stand_where_data_has_them():
    split = SPLITS["din"]()
    model = build("din", split)
    made = dict(zip(model.columns, drawn(model, split.vocabularies, rows=200), strict=True))
    there, past = made["tags"] > 0, made["sequence"] > 0
    assert len(there.sum(1).unique()) > 2
    assert there.float().mean(0).diff().max() < 0  # fewer and fewer rows have a further code
    assert past.float().mean(0).diff().min() > -0.05
    assert past.float().mean(0)[0] < 0.2 < 0.8 < past.float().mean(0)[-1]
    again = drawn(model, split.vocabularies, rows=200)
    assert all(torch.equal(a, b) for a, b in zip(made.values(), again, strict=True))


def test_a_model_of_many_codes_a_row_is_verified_when_its_data_is_gone(tmp_path):
    split, data = tiny_mixed(), tmp_path / "data"
    save_split(split, data)
    model = build("deepfm", split, dim=4, hidden=(8,)).eval()
    made = prune(model, split, budget=Budget(0.4), finetuned=False)
    big = Shelved(tmp_path / "big", model, split.vocabularies, None, (), data)
    put(tmp_path / "big", big)
    put(tmp_path / "small", dataclasses.replace(big, model=made.model, vocabularies=made.vocabularies, plan=made.plan))
    shutil.rmtree(data)
    small = take(tmp_path / "small")
    assert small.example(small.split_if_there())[-1].shape == (3, 3)
    found = verify(tmp_path / "small", tmp_path / "big", requests=500)
    assert found.holds
    assert found.proof is not None


ODD = [None, 1, "x", [], {}, [1], ["x"], [{"what": 1}], {"a": 1}, True]


@pytest.mark.parametrize("name", ["works", "data", "settings"])
def test_case_14_notes_of_another_kind_are_refused(name, tmp_path):
    split = tiny_split()
    work = Work("train", {"epochs": 1}, 1, 0, 0.5, "ndcg")
    put(tmp_path / "a", Shelved(tmp_path / "a", build("mf", split, dim=2), split.vocabularies, None, (work,), None))
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    manifest.pop("sha256")
    good = {"works": [[], {}, "", ()], "data": [None, "x"], "settings": [{}, {"a": 1}]}[name]
    assert take(tmp_path / "a").works == (work,)
    for odd in [one for one in ODD if one not in good]:
        changed = {**manifest, "notes": {**manifest["notes"], name: odd}}
        (tmp_path / "a" / "manifest.json").write_text(sealed(changed))
        with pytest.raises(ArtifactError, match="its notes"):
            take(tmp_path / "a")
