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
SOME = ("search.c", "table.c", "rows.c")
"""Kernels that take no second to compile."""
TAKEN = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE")

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("hatchling") is None or not (ROOT / "hatch_build.py").exists(),
    reason="needs hatchling (pip install hatchling) and the sources of a clone",
)


def built(at: Path, modified: int) -> Path:
    """A wheel, without kernels, of a copy of the sources, all of whose files were modified at that second."""
    at.mkdir()
    for name in TAKEN:
        shutil.copy(ROOT / name, at)
    shutil.copytree(ROOT / "src", at / "src", ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.tmp"))
    for path in at.rglob("*"):
        os.utime(path, (modified, modified))
    env = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000", "RECPRUNE_PURE": "1"}
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


def compiled(at: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Some of the kernels, compiled in a folder of their own as a build compiles all of them."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    shutil.copytree(build.SOURCES, at / "native", ignore=lambda _, names: [n for n in names if n[-2:] == ".c"])
    for name in SOME:
        shutil.copy(build.SOURCES / name, at / "native")
    monkeypatch.setattr(build, "SOURCES", at / "native")
    monkeypatch.setattr(build, "MADE", at / "made.so")
    monkeypatch.delenv("RECPRUNE_PURE", raising=False)
    why = build.compile_kernels()
    if why:
        pytest.skip(f"the kernels cannot be compiled here: {why}")
    return (at / "made.so").read_bytes()


def test_kernels_compiled_in_two_places_are_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    one, two = (compiled(tmp_path / place, monkeypatch) for place in ("here", "somewhere else"))
    assert one == two
    assert len(one) > 5000


def test_types_and_licence_are_inside_and_sources_of_kernels_are_not(wheels: tuple[Path, Path]):
    names = zipfile.ZipFile(wheels[0]).namelist()
    assert "recprune/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.endswith((".c", ".h")) or name.startswith(("tests", "docs"))]
