"""A full disk: one sentence, and nothing is lost."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from recprune.data.on_disk import on_disk
from recprune.errors import DataError

FULL = """
import resource, signal, sys
from typer.testing import CliRunner
from recprune.cli import app

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
done = CliRunner().invoke(app(), sys.argv[1:])
print(done.exit_code, done.stderr.strip().splitlines()[-1])
"""
"""A command in a process whose files may take 20,000 bytes each."""


def full(*words: object) -> str:
    done = subprocess.run([sys.executable, "-c", FULL, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def log(path: Path, rows: int) -> Path:
    lines = [f"{n % 97}x{n * n % 1009},{n * 7919 % 4001},{n * 31 % 65521}" for n in range(rows)]
    path.write_text("\n".join(["user,item,time", *lines, "of one column", "of two,columns"]) + "\n")
    return path


def test_words_of_polars_about_data_stay_its_own():
    with pytest.raises(pl.exceptions.ColumnNotFoundError), on_disk("x"):
        pl.DataFrame({"a": [1]}).select("b")


def test_other_errors_pass():
    with pytest.raises(KeyError), on_disk("x"):
        raise KeyError("a")


def filled(path: str, write: Callable[[], object]) -> None:
    with on_disk(path):
        write()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_whoever_writes_the_reason_is_said():
    frame = pl.DataFrame({"a": range(100_000)})
    writers = (
        lambda: frame.write_parquet("/dev/full"),
        lambda: frame.lazy().sink_csv("/dev/full"),
        lambda: Path("/dev/full").write_text("x"),
    )
    for write in writers:
        with pytest.raises(DataError, match=r"^a place cannot be written: No space left on device.*stands$") as told:
            filled("a place", write)
        assert told.value.path == "a place"


def test_a_folder_that_was_prepared_stands_when_the_disk_is_full(tmp_path):
    pytest.importorskip("resource")
    out, roles = tmp_path / "out", ("--user", "user", "--item", "item", "--time", "time")
    assert full("prepare", log(tmp_path / "small.csv", 300), "-o", out, *roles).startswith("0 ")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert b"of one column" in before["rejected.tsv"]
    assert "rejected.tsv" not in json.loads(before["manifest.json"])["files"]
    said = full("prepare", log(tmp_path / "large.csv", 30_000), "-o", out, *roles)
    assert said.startswith("2 DataError: "), said
    assert "cannot be written: File too large" in said
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
