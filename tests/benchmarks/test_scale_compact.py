import os
from pathlib import Path

import numpy as np
import pytest
from benchmarks.scale_compact import DIM, made, seen
from safetensors.numpy import load_file


def test_shards_are_drawn_once_and_alike(tmp_path):
    files = made(tmp_path, 1000, 4)
    parts = [load_file(file)["item.weight"] for file in files]
    assert [part.shape for part in parts] == [(250, DIM)] * 4
    assert len({part.tobytes() for part in parts}) == 4
    times = [file.stat().st_mtime_ns for file in files]
    assert made(tmp_path, 1000, 4) == files
    assert [file.stat().st_mtime_ns for file in files] == times
    again = [load_file(file)["item.weight"] for file in made(tmp_path / "other", 1000, 4)]
    assert all(np.array_equal(one, other) for one, other in zip(parts, again, strict=True))


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="this system does not count what a process reads")
def test_what_a_process_reads_and_holds_is_counted(tmp_path):
    place = Path(f"/proc/{os.getpid()}")
    before = seen(place)
    (tmp_path / "file").write_bytes(bytes(300_000))
    held = np.ones(4_000_000)
    after = seen(place)
    assert after["wchar"] - before["wchar"] >= 300_000
    assert after["RssAnon"] > held.nbytes
