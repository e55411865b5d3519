"""The machine: processor, its features, memory, threads."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

__all__ = ["allowed", "features", "machine", "threads"]

TOLD = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512bw", "avx512_vnni", "amx_tile", "asimd", "sve")
"""Features of a processor that torch or the kernels make use of."""
VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RECPRUNE_KERNELS", "CUDA_VISIBLE_DEVICES")


def machine() -> dict[str, Any]:
    """Names and numbers of this machine; what the system does not tell is None."""
    info = _lines(Path("/proc/cpuinfo"))
    memory = _lines(Path("/proc/meminfo"))
    return {
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "processor": info.get("model name") or platform.processor() or None,
        "cores": os.cpu_count(),
        "cores that may be used": allowed(),
        "features": features(info.get("flags") or info.get("Features") or ""),
        "memory": _bytes(memory.get("MemTotal")),
        "memory free": _bytes(memory.get("MemAvailable")),
    }


def features(flags: str) -> list[str]:
    """Those of the flags that matter here, in the order of TOLD."""
    return [name for name in TOLD if name in flags.split()]


def allowed(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> float | None:
    """Cores that this process may use: by its affinity, and by the quota of its container where there is one."""
    cores = float(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        most, period = quota.read_text(encoding="ascii").split()
        limit = float(most) / float(period)
    except (OSError, ValueError):
        return cores
    return limit if cores is None else min(limit, cores)


def threads() -> dict[str, Any]:
    """Threads of torch and of every pool that is loaded, and the variables that set them."""
    import torch
    from threadpoolctl import threadpool_info

    pools = [
        {
            "pool": pool["internal_api"],
            "version": pool.get("version"),
            "threads": pool["num_threads"],
            "made for": pool.get("architecture"),
        }
        for pool in threadpool_info()
    ]
    return {
        "torch": torch.get_num_threads(),
        "torch between operations": torch.get_num_interop_threads(),
        "pools": pools,
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


def _lines(path: Path) -> dict[str, str]:
    """`name: value` lines of a file of the system, the first of each name; nothing where there is no such file."""
    try:
        pairs = [line.partition(":") for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return {}
    return {name.strip(): value.strip() for name, _, value in reversed(pairs)}


def _bytes(said: str | None) -> int | None:
    return int(said.split()[0]) * 1024 if said else None
