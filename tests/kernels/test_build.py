"""How the kernels are compiled, and what happens where they cannot be."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(not (ROOT / "hatch_build.py").exists(), reason="not a source tree")


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """hatch_build, with one small source and a place of its own."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "native").mkdir()
    (tmp_path / "native" / "one.c").write_text("int one(void) { return 1; }\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "SOURCES", tmp_path / "native")
    monkeypatch.setattr(module, "MADE", tmp_path / "_native.abi3.so")
    monkeypatch.delenv("RECPRUNE_PURE", raising=False)
    return module


def hooked(build: ModuleType, target: str = "wheel") -> tuple[dict[str, Any], list[str]]:
    """What a build with the hook is told, and what it says."""
    said: list[str] = []
    data: dict[str, Any] = {"pure_python": True, "artifacts": []}
    build.KernelsHook.initialize(
        SimpleNamespace(target_name=target, app=SimpleNamespace(display_warning=said.append)), "standard", data
    )
    return data, said


def test_a_wheel_holds_what_was_compiled_and_names_its_platform(build: ModuleType) -> None:
    if build.compile_kernels():
        pytest.skip("no compiler here")
    data, said = hooked(build)
    assert data["artifacts"] == ["/_native.abi3.so"]
    assert data["tag"].startswith("cp311-abi3-")
    assert not data["pure_python"]
    assert said == []
    assert sorted(path.name for path in build.MADE.parent.iterdir()) == ["_native.abi3.so", "native"]


@pytest.mark.parametrize("compiler", ["false", "/no/such/compiler"])
def test_without_a_compiler_the_wheel_is_pure_and_says_so(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch, compiler: str
) -> None:
    monkeypatch.setenv("CC", compiler)
    data, said = hooked(build)
    assert data == {"pure_python": True, "artifacts": []}
    assert len(said) == 1
    assert not build.MADE.exists()


def test_a_pure_wheel_can_be_asked_for(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECPRUNE_PURE", "1")
    assert hooked(build)[0]["pure_python"]


def test_other_targets_are_left_alone(build: ModuleType) -> None:
    assert hooked(build, "sdist") == ({"pure_python": True, "artifacts": []}, [])
