"""A small log with everything in it, as text and as Parquet, and one Ray for all tests of this folder."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest


def table(seed: int = 0, rows: int = 900) -> pl.DataFrame:
    """Users of few and of many rows, repeated pairs, equal times, and values that are missing."""
    rng = np.random.default_rng(seed)
    tags = [[f"g{tag}" for tag in rng.integers(0, 7, rng.integers(0, 4))] for _ in range(rows)]
    return pl.DataFrame(
        {
            "user": [f"u{user}" for user in (rng.gamma(1, 12, rows)).astype(int)],
            "item": [f"i{item}" for item in (rng.gamma(1, 20, rows)).astype(int)],
            "rating": rng.integers(1, 6, rows).astype(float),
            "at": rng.integers(-50, 250, rows),
            "city": [None if city == 0 else f"c{city}" for city in rng.integers(0, 9, rows)],
            "age": [None if age < 3 else float(age) for age in rng.integers(0, 30, rows)],
            "tags": ["|".join(some) for some in tags],
        }
    )


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As text, with lines that cannot be used here and there."""
    path = tmp_path_factory.mktemp("scale") / "log.csv"
    lines = table().write_csv().splitlines()
    for place, bad in ((880, ",i1,3,4,c,3,"), (500, ""), (300, "u1,i2"), (40, "u1,i2,bad,5,c1,3,")):
        lines.insert(place, bad)
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="session")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As a folder of two files; one row has no item."""
    folder = tmp_path_factory.mktemp("scale") / "log"
    folder.mkdir()
    frame = table()
    frame[:500].write_parquet(folder / "a.parquet", row_group_size=100)
    frame[500:].with_columns(item=pl.when(pl.col("at") == 0).then(None).otherwise("item")).write_parquet(
        folder / "b.parquet"
    )
    return folder


@pytest.fixture(scope="session")
def ray() -> Iterator[object]:
    """Two workers on this machine."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed: pip install 'recprune[ray]'")
    from recprune.scale.engines.ray import Ray

    with Ray(2) as engine:
        yield engine
