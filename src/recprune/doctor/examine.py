"""examine(): everything that decides how recprune runs here, and what could be better."""

from __future__ import annotations

from typing import Any

import recprune
from recprune.doctor.extras import EXTRAS, found
from recprune.doctor.machine import machine, threads

__all__ = ["advice", "examine"]

CORE = ("torch", "numpy", "scipy", "polars", "scikit-learn", "safetensors", "typer", "rich", "zstandard")
NO_COMPILER = (
    "The C kernels are not compiled, numpy does their work: the same lists, later. Install a C compiler, then "
    "`python hatch_build.py` in a clone, or install recprune again"
)


def examine() -> dict[str, Any]:
    """Versions, machine, threads, kernels, BLAS, extras, and sentences on what could be better. Changes nothing."""
    facts: dict[str, Any] = {
        "recprune": recprune.__version__,
        "machine": machine(),
        "versions": {name: found(name) for name in CORE},
        "torch": _torch(),
        "threads": threads(),
        "BLAS": _blas(),
        "kernels": _kernels(),
        "extras": {
            name: {"installed": not extra.missing, "missing": list(extra.missing), "gives": extra.gives}
            for name, extra in EXTRAS.items()
        },
    }
    return {**facts, "advice": advice(facts)}


def advice(facts: dict[str, Any]) -> list[str]:
    """What could be better, each with the way to it; nothing where all is well."""
    out = []
    cores, torch_threads = facts["machine"]["cores that may be used"], facts["threads"]["torch"]
    if cores is not None and torch_threads > max(1, cores):
        out.append(
            f"torch runs {torch_threads} threads on {cores:g} cores, which wait for each other: "
            f"OMP_NUM_THREADS={max(1, int(cores))}"
        )
    if facts["kernels"] == "numpy":
        out.append(NO_COMPILER)
    gone = [name for name, version in facts["versions"].items() if version is None]
    if gone:
        out.append(f"{', '.join(gone)} cannot be found, and recprune needs them: pip install recprune")
    return out


def _torch() -> dict[str, Any]:
    import torch

    backends: Any = torch.backends
    return {
        "instructions": backends.cpu.get_cpu_capability(),
        "MKL": backends.mkl.is_available(),
        "oneDNN": backends.mkldnn.is_available(),
        "CUDA": torch.version.cuda if torch.cuda.is_available() else None,
    }


def _blas() -> dict[str, Any]:
    """What numpy was built with."""
    import numpy as np

    told: Any = np.show_config(mode="dicts")
    blas = told.get("Build Dependencies", {}).get("blas", {})
    return {"numpy": blas.get("name"), "version": blas.get("version")}


def _kernels() -> str:
    from recprune.dispatch import which

    return which()
