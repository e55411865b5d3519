import json

import polars as pl
import pytest
from typer.testing import CliRunner

from recprune import artifact
from recprune.cli import app
from recprune.cli.recommend import _ids
from recprune.data.store import save_split
from recprune.data.vocabulary import Vocabulary
from recprune.models.build import build
from recprune.serving import lists
from recprune.testing import tiny_clicks, tiny_split

RUNNER, APP = CliRunner(), app()


def call(*arguments):
    return RUNNER.invoke(APP, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def at(tmp_path_factory):
    at, split = tmp_path_factory.mktemp("recommend"), tiny_split()
    save_split(split, at / "prepared")
    artifact.save(at / "mf", build("mf", split, dim=4), vocabularies=split.vocabularies)
    artifact.save(at / "clicks", build("deepfm", tiny_clicks(), dim=4), vocabularies=tiny_clicks().vocabularies)
    return at


def test_all_users_get_a_list(at, tmp_path):
    done = call("recommend", at / "mf", at / "prepared", "-o", tmp_path / "lists.parquet", "-k", 3, "--json")
    said = json.loads(done.stdout)
    assert (said["users"], said["rows"], said["found"]) == (24, 72, 0)
    assert pl.read_parquet(tmp_path / "lists.parquet").columns == ["user", "rank", "item", "score", "fallback"]


def test_only_the_users_of_a_file(at, tmp_path):
    (tmp_path / "users.txt").write_text("u2\n\nu1\n")
    out = tmp_path / "lists.csv"
    assert call("recommend", at / "mf", at / "prepared", "-o", out, "--users", tmp_path / "users.txt").exit_code == 0
    assert pl.read_csv(out)["user"].unique(maintain_order=True).to_list() == ["u2", "u1"]


def test_lines_that_end_as_on_windows_hold_the_same_users(at, tmp_path):
    (tmp_path / "users.txt").write_bytes(b"\xef\xbb\xbfu2\r\n\r\nwho\r\nu1\r\n")
    out = tmp_path / "lists.csv"
    done = call("recommend", at / "mf", at / "prepared", "-o", out, "--users", tmp_path / "users.txt", "--json")
    assert json.loads(done.stdout)["unknown"] == 1
    assert pl.read_csv(out)["user"].unique(maintain_order=True).to_list() == ["u2", "who", "u1"]


def test_a_carriage_return_stays_where_it_is_of_the_id():
    assert _ids(["a\r", "b\r", "\r", "", "c"], Vocabulary("user", ["a", "a\r", "b"])) == ["a\r", "b", "c"]


def test_another_model_starts_from_the_first_block(at, tmp_path):
    for name in ("mf", "mf"):
        done = call("recommend", at / name, at / "prepared", "-o", tmp_path / "lists.csv", "--json")
    assert json.loads(done.stdout)["found"] == 0, "the blocks are gone once the file is whole"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("clicks", "-o", "lists.csv"), "scores rows"),
        (("mf", "-o", "lists.txt"), "ends in .parquet or .csv"),
        (("mf", "-o", "lists.csv", "--known", "test"), "all, valid, train"),
        (("mf", "-o", "lists.csv", "--users", "gone.txt"), "cannot be read as a list of ids"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(at, tmp_path, arguments, words, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = call("recommend", at / arguments[0], at / "prepared", *arguments[1:])
    assert done.exit_code == 2
    assert words in done.stderr.strip().splitlines()[-1]


def test_a_full_disk_is_told_and_the_same_call_goes_on(at, tmp_path, monkeypatch):
    out, real = tmp_path / "lists.parquet", lists.write_bytes

    def full(path, data):
        if path.name == "00000002.parquet":
            raise OSError(28, "No space left on device", str(path))
        real(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(lists, "write_bytes", full)
        done = call("recommend", at / "mf", at / "prepared", "-o", out, "--block", 8)
    assert done.exit_code == 2
    assert "cannot be written: No space left on device" in done.stderr
    assert not out.exists()
    done = call("recommend", at / "mf", at / "prepared", "-o", out, "--block", 8, "--json")
    assert json.loads(done.stdout)["found"] == 2
