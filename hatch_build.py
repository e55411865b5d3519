"""Compiles the kernels into the package, at every build and editable install. Alone: `python hatch_build.py`.

Without a C compiler (or where RECPRUNE_PURE=1 asks for it) the package is built without, and numpy does their work.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # compiled by hand
    BuildHookInterface = object

ROOT = Path(__file__).resolve().parent
SOURCES = ROOT / "src" / "recprune" / "kernels" / "native"
MADE = SOURCES.parent.parent / "_native.abi3.so"
FLAGS = ["-std=gnu11", "-O3", "-fPIC", "-shared", "-fvisibility=hidden", "-ffp-contract=off", "-fno-math-errno"]
"""Products are rounded before they are added (no contraction), so that all machines get the same scores."""


def compiler() -> list[str]:
    """The C compiler and its first arguments."""
    return shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")


def compile_kernels() -> str:
    """Compile the kernels; returns why it could not be done, empty where it was."""
    if os.environ.get("RECPRUNE_PURE") == "1":
        return "RECPRUNE_PURE=1"
    if os.name != "posix" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return f"not on {sys.platform} with this Python"
    more = ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / MADE.name
        line = [*compiler(), *FLAGS, *more, f"-I{sysconfig.get_path('include')}"]
        line += [*sorted(str(path) for path in SOURCES.glob("*.c")), "-o", str(out), "-lm"]
        try:
            done = subprocess.run(line, capture_output=True, text=True)
        except OSError as error:
            return str(error)
        if done.returncode:
            return done.stderr or f"{line[0]} ended with {done.returncode}"
        beside = MADE.with_suffix(".tmp")
        beside.write_bytes(out.read_bytes())
        beside.chmod(0o755)
        beside.replace(MADE)  # a process that has the old one loaded keeps it
    return ""


class KernelsHook(BuildHookInterface):  # type: ignore[misc]
    """What hatchling calls before it makes a wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the kernels to a wheel of this platform, or leave it pure."""
        if self.target_name != "wheel":
            return
        why = compile_kernels()
        if why:
            self.app.display_warning(f"recprune is built without its C kernels, numpy takes their place: {why}")
            return
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"cp311-abi3-{platform}"
        build_data["artifacts"].append(f"/{MADE.relative_to(ROOT).as_posix()}")


if __name__ == "__main__":
    sys.exit(compile_kernels() or None)
