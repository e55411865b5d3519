"""A log four times as large as the memory that there is."""

import subprocess
import sys
from pathlib import Path

import pytest

LIMIT = 40 << 20
PROGRAM = """
import resource, sys
from pathlib import Path
from recprune.data.dataset import Roles
from recprune.scale import Scale, prepare_large

def prepared(name):
    roles = Roles(user="user", item="item", time="at", categorical=("text",))
    how = {"roles": roles, "cleaning": {"k_core": 2}, "scale": Scale(memory=20 << 20)}
    return prepare_large(folder / f"{name}.csv", folder / name, **how)

folder = Path(sys.argv[1])
prepared("small")  # whatever Python, polars and their threads take for themselves
said = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
taken = int(said["VmData"].split()[0]) << 10
resource.setrlimit(resource.RLIMIT_DATA, (taken + int(sys.argv[2]),) * 2)
print(sum(prepared("large")["rows"].values()))
"""


def write(path: Path, rows: int) -> None:
    with path.open("w") as file:
        file.write("user,item,at,text\n")
        for row in range(rows):
            file.write(f"u{row * 7919 % 503},i{row * 104729 % 1009},{row},{'x' * 840}{row % 997}\n")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the memory of a process is read from /proc")
def test_a_log_of_four_times_the_memory_is_prepared(tmp_path):
    write(tmp_path / "small.csv", 5_000)
    write(tmp_path / "large.csv", 200_000)
    assert (tmp_path / "large.csv").stat().st_size > 4 * LIMIT
    environment = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "PATH": ""}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), str(LIMIT)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "200000"
