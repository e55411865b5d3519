"""recprune bench."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from recprune.artifact import load
from recprune.cli import app
from recprune.models.build import build
from recprune.recipe.shelf import Shelved, put
from recprune.testing import tiny_clicks


def call(*words: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app(), [str(word) for word in words])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    split, at = tiny_clicks(), tmp_path / "model"
    put(at, Shelved(at, build("fgcnn", split, dim=4), split.vocabularies, None, (), None))
    return at


FEW = ("--batch", 2, "--batch", 1, "--runtime", "kernels", "--repeats", 5, "--seconds", 0)


def test_a_table_for_people_says_what_is_used_and_what_is_not_offered(folder: Path):
    code, said, _ = call("bench", folder, *FEW)
    assert code == 0
    assert {"times", "eager"} <= set(said.split())
    assert "kernels is not offered: the kernels run" in said
    assert "drawn codes" in said
    assert load(folder).speeds.use == {1: "eager", 2: "eager"}


def test_json_for_programs(folder: Path):
    code, said, _ = call("bench", folder, *FEW, "--no-record", "--json")
    assert code == 0
    found = json.loads(said)
    assert list(found["took"]) == ["1", "2"]
    assert set(found["took"]["1"]["eager"]) == {"median", "low", "high"}
    assert (found["use"]["1"], found["recorded"], found["asked"]) == ("eager", False, "drawn codes")
    assert load(folder).speeds is None


def test_a_runtime_that_there_is_not_ends_with_2(folder: Path):
    code, _, said = call("bench", folder, "--runtime", "kernel")
    assert code == 2
    assert "no runtime named 'kernel'" in said
