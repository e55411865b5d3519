"""The wheel: the same bytes whenever and wherever it is built, and all that belongs into it."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TAKEN = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE")

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("hatchling") is None or not (ROOT / "hatch_build.py").exists(),
    reason="needs hatchling (pip install hatchling) and the sources of a clone",
)


def built(at: Path, modified: int) -> Path:
    """A wheel of a copy of the sources, all of whose files were modified at that second."""
    for name in TAKEN:
        at.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, at)
    shutil.copytree(ROOT / "src", at / "src", ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.tmp"))
    for path in at.rglob("*"):
        os.utime(path, (modified, modified))
    env = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "out"]
    done = subprocess.run(command, cwd=at, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return next((at / "out").iterdir())


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    at = tmp_path_factory.mktemp("wheels")
    return built(at / "here", 1_600_000_000), built(at / "somewhere else", 1_650_000_000)


def test_two_builds_in_two_places_give_the_same_bytes(wheels: tuple[Path, Path]):
    one, two = wheels
    assert one.name == two.name
    assert hashlib.sha256(one.read_bytes()).digest() == hashlib.sha256(two.read_bytes()).digest()


def test_types_and_licence_are_inside_and_sources_of_kernels_are_not(wheels: tuple[Path, Path]):
    names = zipfile.ZipFile(wheels[0]).namelist()
    assert "recprune/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.endswith((".c", ".h")) or name.startswith(("tests", "docs"))]
