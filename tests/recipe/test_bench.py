"""Runtimes of a model's folder: measured, recorded, and served by."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recprune.artifact import load
from recprune.data.store import save_split
from recprune.errors import ArtifactError, ExtensionError
from recprune.models.build import build
from recprune.recipe.bench import bench, request_of
from recprune.recipe.served import offer_of, scorer_of, service_of
from recprune.recipe.shelf import Shelved, put, take
from recprune.serving.eager import Eager
from recprune.serving.fast import ByNeighbours
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


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """Neighbours, on the data that they were counted in."""
    split = tiny_split()
    save_split(split, tmp_path / "prepared")
    model = build("item_knn", split)
    model.refit_(split.train.histories())
    at = tmp_path / "lists"
    put(at, Shelved(at, model, split.vocabularies, None, (), tmp_path / "prepared"))
    return at


def test_of_models_that_rank_lists_are_timed_and_recorded(lists: Path):
    found = bench(lists, k=3, **FEW)
    assert load(lists).speeds == found.speeds
    assert {rows: set(took) for rows, took in found.speeds.took.items()} == {1: {"eager", "kernels"}} | {
        9: {"eager", "kernels"}
    }
    assert (found.asked, found.unit) == ("users of the data", "users")


@pytest.mark.parametrize("name", ["mf", "sasrec", "item_knn"])
def test_without_data_histories_and_users_are_drawn(name: str, tmp_path: Path):
    split = tiny_split()
    put(tmp_path / "m", Shelved(tmp_path / "m", build(name, split), split.vocabularies, None, (), None))
    found = bench(tmp_path / "m", keep=False, **FEW)
    assert found.asked == "drawn histories"
    assert "kernels" in found.speeds.took[9]


def test_a_model_that_ranks_needs_its_items(tmp_path: Path):
    put(tmp_path / "mf", Shelved(tmp_path / "mf", build("mf", tiny_split()), {}, None, (), None))
    with pytest.raises(ArtifactError, match="without the ids of its items"):
        bench(tmp_path / "mf")


def test_a_server_lists_by_the_record(lists: Path):
    plain = service_of(take(lists), take(lists).split(), "train")
    assert isinstance(plain.recommender, ByNeighbours)
    found = bench(lists, **FEW)
    use = {1: "kernels", 9: "eager"}
    shelved = replace(take(lists), speeds=replace(found.speeds, use=use))
    service = service_of(shelved, shelved.split(), "train")
    assert service.recommender.names == use
    assert isinstance(service.recommender.listing[9], Eager)
    assert service.by_user("u3", 4).items == plain.by_user("u3", 4).items
    written = service.recommender.many(np.arange(1, 8), service.known.histories, service.known.codes, 4, False)
    assert np.array_equal(written[0], plain.recommender.many(np.arange(1, 8), *_of(service), 4, False)[0])


def _of(service):
    return service.known.histories, service.known.codes


def test_a_server_says_which_way_to_list_it_does_not_take(lists: Path, caplog: pytest.LogCaptureFixture):
    found = bench(lists, **FEW)
    with caplog.at_level(logging.WARNING, "recprune.serving"):
        shelved = replace(take(lists), speeds=replace(found.speeds, use={1: "gone", 9: "kernels"}))
        service = service_of(shelved, None)
    assert service.recommender.names == {1: "eager", 9: "kernels"}
    assert "the runtime gone was measured to be the fastest, and is not taken: there is none" in caplog.text


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


def test_one_request_is_asked_as_a_runtime_answers_it(folder: Path):
    for way in ("eager", "kernels"):
        ask = request_of(folder, way)
        assert ask() is not None
        assert ask() is not None


def test_a_request_of_a_runtime_that_does_not_take_the_model_says_why(tmp_path: Path):
    split = tiny_split()
    at = tmp_path / "model"
    put(at, Shelved(at, build("ease", split), split.vocabularies, None, (), None))
    assert request_of(at, "kernels")() is not None
    with pytest.raises(ExtensionError, match="no query"):
        request_of(at, "onnx_kernels")
