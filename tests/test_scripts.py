"""The scripts of a fresh clone, as far as they go without installing anything."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("sh", "dirname", "cat", "cksum", "grep", "rm")

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the scripts are for a POSIX shell")


@pytest.fixture
def clone(tmp_path):
    """A clone without .venv, and a PATH on which there is no Python."""
    if not (ROOT / "scripts").is_dir():
        pytest.skip("the scripts are not part of this installation")
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    return tmp_path


def setup(clone, **variables):
    env = {"PATH": str(clone / "bin"), **variables}
    return subprocess.run(["sh", "scripts/setup", "demo"], cwd=clone, env=env, capture_output=True, text=True)


def script(path, text):
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)


def test_without_python_it_says_what_is_needed(clone):
    done = setup(clone)
    assert done.returncode == 2
    assert "Python 3.11 or newer is needed, found: no python3" in done.stderr


def test_an_old_python_is_named_and_refused(clone):
    script(clone / "bin" / "python3", '[ "$1" = --version ] && echo "Python 3.8.10" && exit 0\nexit 1\n')
    done = setup(clone)
    assert done.returncode == 2
    assert "found: Python 3.8.10" in done.stderr
    done = setup(clone, PYTHON="python3")
    assert done.returncode == 2
    assert "PYTHON=python3 is not a Python of 3.11 or newer" in done.stderr


def test_a_python_that_cannot_make_environments_is_told_how(clone):
    script(clone / "bin" / "python3", f'[ "$1" = -m ] && exit 1\nexec {sys.executable} "$@"\n')
    done = setup(clone)
    assert done.returncode == 2
    assert "python3-venv" in done.stderr
    assert not (clone / ".venv").exists()


def test_what_is_installed_is_not_installed_again_and_torch_comes_first(clone):
    log = clone / "log"
    pip = f'[ "$2" = pip ] && echo "$@" >>{log}\nexit 0\n'
    script(clone / "bin" / "python3", '[ "$1" = -c ] && exit 0\n[ "$1" = --version ] && echo Python 3.11.0 && exit 0\n')
    (clone / ".venv" / "bin").mkdir(parents=True)
    script(clone / ".venv" / "bin" / "python", pip)
    assert setup(clone, RECPRUNE_TORCH_INDEX="file:///wheels").returncode == 0
    calls = [line for line in log.read_text().splitlines() if " install " in line]
    assert len(calls) == 2
    assert calls[0].endswith("-c constraints.txt --extra-index-url file:///wheels torch")
    assert calls[1].endswith("-c constraints.txt -e .[demo]")
    log.write_text("")
    assert setup(clone).returncode == 0
    assert " install " not in log.read_text()
    (clone / "constraints.txt").write_text("")
    assert setup(clone).returncode == 0
    assert " install " in log.read_text()


def postgresql(clone, **tools):
    """What the script that installs PostgreSQL does where it is not installed, with programs that do as is said."""
    for name, text in tools.items():
        script(clone / "bin" / name.replace("_", "-"), f'echo "{name} $*" >>"{clone}/calls"\n{text}\n')
    env = {"PATH": str(clone / "bin"), "RECPRUNE_POSTGRESQL": str(clone / "none")}
    done = subprocess.run(["/bin/sh", "scripts/postgresql"], cwd=clone, env=env, capture_output=True, text=True)
    calls = clone / "calls"
    return done, calls.read_text() if calls.is_file() else ""


def test_where_postgresql_is_there_nothing_is_installed(clone):
    (clone / "none" / "15" / "bin").mkdir(parents=True)
    script(clone / "none" / "15" / "bin" / "initdb", "exit 0\n")
    done, calls = postgresql(clone, id="echo 0", apt_get="exit 1", timeout='shift; "$@"')
    assert (done.returncode, done.stderr, calls) == (0, "", "")


def test_who_may_not_install_postgresql_goes_on_without_it(clone):
    done, calls = postgresql(clone, id="echo 1000", apt_get="exit 1", timeout='shift; "$@"')
    assert done.returncode == 0
    assert "only root can install it; the tests that need PostgreSQL are skipped" in done.stderr
    assert "apt_get" not in calls


def test_a_machine_without_a_network_goes_on_without_postgresql(clone):
    done, calls = postgresql(clone, id="echo 0", apt_get="exit 100", timeout='shift; "$@"')
    assert done.returncode == 0
    assert "cannot be downloaded here" in done.stderr
    assert "--no-download" not in calls
