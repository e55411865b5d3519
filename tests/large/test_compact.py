"""A table in blocks is cut as one in memory, to the bit; and in little memory."""

import hashlib
import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from recprune import atomic
from recprune.errors import ArtifactError, BudgetError
from recprune.large import compact
from recprune.large.compact import norms
from recprune.large.table import TYPES, read_table

compacting = importlib.import_module("recprune.large.compact")
ROOT = Path(__file__).resolve().parents[2]


def in_memory(table: torch.Tensor, scores: np.ndarray, rows: int, first: int) -> tuple[list[int], torch.Tensor]:
    order = np.argsort(scores[first:], kind="stable") + first
    kept = np.sort(np.r_[np.arange(first), order[len(order) - (rows - first) :]])
    return kept.tolist(), table[torch.from_numpy(kept)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize(("rows", "first"), [(1, 1), (2, 1), (37, 1), (99, 0), (100, 1), (40, 3)])
def test_rows_are_those_of_memory_to_the_bit_for_every_size_of_block(
    dtype: torch.dtype, rows: int, first: int, tmp_path: Path
):
    table = torch.randn(100, 7, generator=torch.Generator().manual_seed(0)).to(dtype)
    table[10:50] = table[3]  # ties
    save_file({"t": table}, tmp_path / "big")
    facts = read_table(tmp_path / "big")
    raw = np.frombuffer(table.view(torch.uint8).numpy().tobytes(), dtype=TYPES[facts.dtype]).reshape(100, 7)
    kept, wanted = in_memory(table, norms(facts, raw), rows, first)
    sums = set()
    for block in (1, 64, 1000, 1 << 20):
        said = compact(tmp_path / "big", tmp_path / "small", rows, first=first, block=block)
        found = load_file(tmp_path / "small")
        assert found["t.rows"].tolist() == kept
        assert torch.equal(found["t"], wanted)
        assert (said.before, said.rows, said.columns) == (100, rows, 7)
        assert said.bytes == (tmp_path / "small").stat().st_size
        assert said.sha256 == hashlib.sha256((tmp_path / "small").read_bytes()).hexdigest()
        sums.add(said.sha256)
    assert len(sums) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["big", "small"]


def test_scores_that_are_known_are_taken(tmp_path: Path):
    table = torch.arange(24.0).view(8, 3)
    scores = np.array([0, 5, -1, 5, 5, 2, 5, 9], dtype=np.float32)
    save_file({"a": torch.zeros(3, dtype=torch.int64), "t": table}, tmp_path / "big")
    np.save(tmp_path / "scores.npy", scores)
    compact(tmp_path / "big", tmp_path / "small", 4, scores=tmp_path / "scores.npy")
    assert load_file(tmp_path / "small")["t.rows"].tolist() == [0, 4, 6, 7]
    for wrong in (scores[:-1], scores.astype(np.float64), np.full(8, np.nan, dtype=np.float32)):
        np.save(tmp_path / "scores.npy", wrong)
        with pytest.raises((ArtifactError, BudgetError), match=r"wants float32, one of each|NaN"):
            compact(tmp_path / "big", tmp_path / "small", 4, scores=tmp_path / "scores.npy")
    assert load_file(tmp_path / "small")["t.rows"].tolist() == [0, 4, 6, 7]


@pytest.mark.parametrize("rows", [0, 9, -1])
def test_a_number_of_rows_that_cannot_be_is_refused(rows: int, tmp_path: Path):
    save_file({"t": torch.ones(8, 3)}, tmp_path / "big")
    with pytest.raises(BudgetError, match="cannot stay of 8"):
        compact(tmp_path / "big", tmp_path / "small", rows)
    assert not (tmp_path / "small").exists()


def test_files_that_are_no_tables_are_refused(tmp_path: Path):
    save_file({"t": torch.ones(8, 3)}, tmp_path / "whole")
    data = (tmp_path / "whole").read_bytes()
    for bad in (
        b"",
        data[:50],
        data[:-1],
        b"\xff" * 99,
        data.replace(b"[8,3]", b"[9,3]"),
        data.replace(b"F32", b"I32"),
    ):
        (tmp_path / "big").write_bytes(bad)
        with pytest.raises(ArtifactError, match="cannot be read as a table"):
            compact(tmp_path / "big", tmp_path / "small", 2)
    save_file({"t": torch.ones(8, 3), "u": torch.ones(8, 3)}, tmp_path / "two")
    with pytest.raises(ArtifactError, match="there are: t, u"):
        compact(tmp_path / "two", tmp_path / "small", 2)
    assert compact(tmp_path / "two", tmp_path / "small", 2, name="u").rows == 2


def test_a_failure_leaves_what_stood_there_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save_file({"t": torch.ones(8, 3)}, tmp_path / "big")
    compact(tmp_path / "big", tmp_path / "small", 3)
    with monkeypatch.context() as patch:
        patch.setattr(atomic.shutil, "disk_usage", lambda place: type("Usage", (), {"free": 9}))
        with pytest.raises(ArtifactError, match=r"bytes are needed and 9 are free"):
            compact(tmp_path / "big", tmp_path / "small", 5)

    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        with pytest.raises(ArtifactError, match="Input/output error"):
            compact(tmp_path / "big", tmp_path / "small", 5)
    assert len(load_file(tmp_path / "small")["t"]) == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["big", "small"]


LITTLE = """
import json, resource, sys
from recprune.large import compact
resource.setrlimit(resource.RLIMIT_AS, (MOST, MOST))
said = compact(sys.argv[1], sys.argv[2], int(sys.argv[3]))
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([said.sha256, peak * 1024, "torch" in sys.modules]))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is told by Linux")
def test_a_table_is_cut_in_less_memory_than_it_takes(tmp_path: Path):
    """200 MB, made by the script that makes the 10 GB, within 160 MB of memory that is used and 1 GiB of addresses."""
    made = [sys.executable, str(ROOT / "scripts" / "make_table.py"), str(tmp_path / "big"), "--bytes", "200000000"]
    subprocess.run(made, check=True, capture_output=True)
    assert (tmp_path / "big").stat().st_size > 199_000_000
    rows = read_table(tmp_path / "big").rows * 3 // 10
    code = LITTLE.replace("MOST", str(1 << 30))
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "big"), str(tmp_path / "small"), str(rows)],
        capture_output=True,
        text=True,
        env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")},
    )
    assert done.returncode == 0, done.stderr
    digest, used, torch_there = json.loads(done.stdout)
    assert not torch_there
    assert used < 160_000_000
    whole = load_file(tmp_path / "big")["table"]
    facts = read_table(tmp_path / "big")
    kept, wanted = in_memory(whole, norms(facts, whole.numpy()), rows, 1)
    found = load_file(tmp_path / "small")
    assert torch.equal(found["table"], wanted)
    assert found["table.rows"].tolist() == kept
    assert digest == hashlib.sha256((tmp_path / "small").read_bytes()).hexdigest()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a POSIX system")
@pytest.mark.parametrize("at", ["measured", "written"])
def test_case_1_what_a_killed_cut_leaves_goes_with_the_next(at: str, tmp_path: Path):
    save_file({"t": torch.randn(8, 3)}, tmp_path / "big")
    compact(tmp_path / "big", tmp_path / "small", 3)
    child = os.fork()
    if not child:
        real = getattr(compacting, at)

        def killed(*arguments: object) -> None:
            real(*arguments)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(compacting, at, killed)
        try:
            compact(tmp_path / "big", tmp_path / "small", 5)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert len(os.listdir(tmp_path)) > 2
    assert len(load_file(tmp_path / "small")["t"]) == 3
    compact(tmp_path / "big", tmp_path / "small", 4)
    assert sorted(os.listdir(tmp_path)) == ["big", "small"]
