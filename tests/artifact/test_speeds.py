"""The record of runtimes: beside the weights that were timed, checked when it is read."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

import recprune
from recprune.artifact import inspect, load, record, save
from recprune.artifact.manifest import MANIFEST, SPEEDS, facts_of, sealed
from recprune.artifact.speeds import Speeds, Took
from recprune.artifact.writing import checksum
from recprune.errors import ArtifactError
from recprune.models.mf import MF


def speeds_of(model: MF) -> Speeds:
    one = Took(1.5, 1.0, 2.0)
    took = {1: {"eager": one, "kernels": one}, 256: {"eager": one}}
    return Speeds(checksum(model), "a machine", took, {1: "kernels", 256: "eager"})


def changed(folder: Path, text: str) -> None:
    """Another record, and a manifest that says so."""
    (folder / SPEEDS).write_text(text)
    content = json.loads((folder / MANIFEST).read_text())
    facts = facts_of(text.encode())
    content["files"][SPEEDS] = {"bytes": facts.bytes, "sha256": facts.sha256}
    del content["sha256"]
    (folder / MANIFEST).write_text(sealed(content))


@pytest.fixture
def model() -> MF:
    return MF(3, 4, 2)


def test_a_record_comes_back_and_everything_else_stays(model: MF, tmp_path: Path):
    folder = save(tmp_path / "a", model, notes={"n": 1}, metrics={"m": 0.5}, created="by hand")
    before, weights = load(folder), (folder / "weights.safetensors").read_bytes()
    assert before.speeds is None
    record(folder, speeds_of(model))
    after = load(folder)
    assert after.speeds == speeds_of(model)
    assert (folder / "weights.safetensors").read_bytes() == weights
    assert replace(after.manifest, files={}) == replace(before.manifest, files={})
    assert inspect(folder)["bytes_of"]["runtimes"] == (folder / SPEEDS).stat().st_size
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_new_record_takes_the_place_of_the_old_one(model: MF, tmp_path: Path):
    folder = save(tmp_path / "a", model)
    record(folder, speeds_of(model))
    record(folder, replace(speeds_of(model), machine="another"))
    found = load(folder).speeds
    assert found is not None
    assert found.machine == "another"


def test_an_artifact_of_format_3_gets_a_record_too(model: MF, tmp_path: Path):
    folder = save(tmp_path / "a", model)
    content = json.loads((folder / MANIFEST).read_text())
    del content["sha256"]
    (folder / MANIFEST).write_text(sealed(content | {"format": 3}))
    assert load(folder).speeds is None
    record(folder, speeds_of(model))
    assert load(folder).speeds == speeds_of(model)
    assert load(folder).manifest.format == 4


def test_a_record_of_other_weights_is_refused(model: MF, tmp_path: Path):
    folder, other = save(tmp_path / "a", model), MF(3, 4, 2)
    kept = (folder / MANIFEST).read_bytes()
    with pytest.raises(ArtifactError, match="other weights"):
        record(folder, speeds_of(other))
    assert (folder / MANIFEST).read_bytes() == kept
    record(folder, speeds_of(model))
    changed(folder, speeds_of(other).to_json())
    with pytest.raises(ArtifactError, match="tells of other weights"):
        load(folder)


def test_a_model_that_is_stored_anew_has_no_record(model: MF, tmp_path: Path):
    folder = save(tmp_path / "a", model)
    record(folder, speeds_of(model))
    recprune.save(folder, model)
    assert load(folder).speeds is None


def test_damage_is_not_copied(model: MF, tmp_path: Path):
    folder = save(tmp_path / "a", model, notes={"n": 1})
    data = bytearray((folder / "weights.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "weights.safetensors").write_bytes(data)
    with pytest.raises(ArtifactError, match="sha256"):
        record(folder, speeds_of(model))
    assert (folder / "weights.safetensors").read_bytes() == bytes(data)
    with pytest.raises(ArtifactError):
        record(tmp_path / "none", speeds_of(model))


GOOD = {
    "format": 1,
    "weights": "w",
    "machine": "m",
    "took": {"1": {"eager": {"median": 1.0, "low": 1.0, "high": 1}}},
    "use": {"1": "eager"},
}
TIME = {"median": 1.0, "low": 1.0, "high": 1.0}


def test_what_is_a_record_is_read():
    assert Speeds.from_json(json.dumps(GOOD)).use == {1: "eager"}


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"weights": 3},
        {"machine": "m" * 2000},
        {"took": {}, "use": {}},
        {"took": []},
        {"took": {"0": GOOD["took"]["1"]}, "use": {"0": "eager"}},
        {"took": {"01": GOOD["took"]["1"]}, "use": {"01": "eager"}},
        {"took": {"1": {}}},
        {"took": {"1": {"eager": TIME, "os.path:join": TIME}}},
        {"took": {"1": {"eager": TIME | {"median": -1}}}},
        {"took": {"1": {"eager": TIME | {"median": True}}}},
        {"took": {"1": {"eager": TIME | {"median": 10**400}}}},
        {"took": {"1": {"eager": TIME | {"median": "1"}}}},
        {"took": {"1": {"eager": TIME | {"more": 1}}}},
        {"took": {"1": {f"n{i}": TIME for i in range(65)}}, "use": {"1": "n1"}},
        {"use": {"1": "kernels"}},
        {"use": {"2": "eager"}},
        {"use": {"1": ["eager"]}},
        {"more": 1},
    ],
)
def test_what_is_no_record_is_refused(change: dict[str, object]):
    with pytest.raises(ArtifactError, match="no record of speeds"):
        Speeds.from_json(json.dumps(GOOD | change))


@pytest.mark.parametrize("text", ["", "[]", "3", "{", '{"format": 1}', "[" * 100_000])
def test_other_texts_are_refused(text: str):
    with pytest.raises(ArtifactError):
        Speeds.from_json(text)


def test_infinite_times_are_refused(model: MF, tmp_path: Path):
    text = re.sub(r'"median": 1.0', '"median": Infinity', json.dumps(GOOD))
    with pytest.raises(ArtifactError):
        Speeds.from_json(text)
    folder = save(tmp_path / "a", model)
    record(folder, speeds_of(model))
    changed(folder, text)
    with pytest.raises(ArtifactError, match=r"runtimes\.json"):
        load(folder)
