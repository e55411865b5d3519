"""Runtimes of a model's folder: measured, recorded, and served by."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from recprune.artifact import load
from recprune.data.store import save_split
from recprune.errors import ArtifactError, DataError
from recprune.models.build import build
from recprune.recipe.bench import bench
from recprune.recipe.served import offer_of, scorer_of
from recprune.recipe.shelf import Shelved, put, take
from recprune.testing import tiny_mixed, tiny_split

FEW = {"batches": (1, 9), "only": ("kernels",), "repeats": 5, "seconds": 0.0}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A DeepFM of all sorts of fields, on the data that it was trained on."""
    split = tiny_mixed()
    save_split(split, tmp_path / "prepared")
    model = build("deepfm", split, dim=4, hidden=(8,))
    at = tmp_path / "model"
    put(at, Shelved(at, model, split.vocabularies, None, (), tmp_path / "prepared"))
    return at


def test_what_is_measured_is_recorded_beside_the_weights(folder: Path):
    found = bench(folder, **FEW)
    assert load(folder).speeds == found.speeds
    assert list(found.speeds.took) == [1, 9]
    assert set(found.speeds.took[1]) == {"eager", "kernels"}
    assert found.asked == "rows of the data"
    assert take(folder).speeds == found.speeds


def test_nothing_is_recorded_where_it_is_not_wanted(folder: Path):
    bench(folder, keep=False, **FEW)
    assert load(folder).speeds is None


def test_without_data_codes_are_drawn(folder: Path):
    (folder.parent / "prepared").rename(folder.parent / "gone")
    assert bench(folder, **FEW).asked == "drawn codes"


def test_models_that_rank_are_refused(tmp_path: Path):
    split = tiny_split()
    at = tmp_path / "mf"
    put(at, Shelved(at, build("mf", split), split.vocabularies, None, (), None))
    with pytest.raises(DataError, match="ranks items"):
        bench(at)


def test_a_server_scores_by_the_record(folder: Path):
    rows = [[None] * len(take(folder).model.columns)]
    plain = scorer_of(take(folder))
    assert plain.runs is None
    found = bench(folder, **FEW)
    use = dict.fromkeys(found.speeds.took, "kernels")
    scorer = scorer_of(replace(take(folder), speeds=replace(found.speeds, use=use)))
    assert scorer.runs.names == use
    assert scorer.score(rows)[0] == pytest.approx(plain.score(rows)[0], rel=1e-5)
    assert offer_of(folder).scorer.runs is not None


def test_a_server_says_which_runtime_it_does_not_take(folder: Path, caplog: pytest.LogCaptureFixture):
    found = bench(folder, **FEW)
    with caplog.at_level(logging.WARNING, "recprune.serving"):
        scorer = scorer_of(replace(take(folder), speeds=replace(found.speeds, use={1: "none"})))
    assert scorer.runs.names == {1: "eager"}
    assert "the runtime none was measured to be the fastest, and is not taken: there is none" in caplog.text


def test_other_weights_meanwhile_are_not_recorded_for(folder: Path, monkeypatch: pytest.MonkeyPatch):
    from recprune.recipe import bench as file

    shelved = take(folder)
    put(folder, replace(shelved, model=build("deepfm", tiny_mixed(), dim=4, hidden=(8,), seed=1)))
    monkeypatch.setattr(file, "take", lambda *_: shelved)
    with pytest.raises(ArtifactError, match="other weights"):
        bench(folder, **FEW)
