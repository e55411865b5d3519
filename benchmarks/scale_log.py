"""A large made-up log: string ids, a long tail on both sides, times in no order; the same for the same seed."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["make"]

CHUNK = 1_000_000
DIGITS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
START, SECONDS = 1_400_000_000, 94_608_000


def make(folder: Path, rows: int, seed: int) -> dict[str, Path]:
    """Write the log as Parquet and as gzipped CSV, once; format -> file. One user for 30 rows, one item for 150."""
    import polars as pl

    files = {"parquet": folder / f"log-{rows}-{seed}.parquet", "csv.gz": folder / f"log-{rows}-{seed}.csv.gz"}
    if all(file.is_file() for file in files.values()):
        return files
    folder.mkdir(parents=True, exist_ok=True)
    packed, parts = zlib.compressobj(level=6, wbits=31), []
    beside = {name: file.with_name(file.name + ".tmp") for name, file in files.items()}
    with beside["csv.gz"].open("wb") as text:
        for number, chunk in enumerate(chunks(rows, seed)):
            parts.append(folder / f"chunk-{number:04}.tmp")
            chunk.write_parquet(parts[-1], compression="lz4")
            text.write(packed.compress(chunk.write_csv(include_header=number == 0).encode()))
        text.write(packed.flush())
    pl.scan_parquet(parts, glob=False).sink_parquet(beside["parquet"], compression="zstd", row_group_size=CHUNK)
    for part in parts:
        part.unlink()
    for name, file in files.items():
        beside[name].rename(file)
    return files


def chunks(rows: int, seed: int) -> Iterator[Any]:
    """Tables of a million rows: user (14 characters), item (10 characters), rating 1 to 5, time in seconds.

    How active a user is: log-normal, sigma 1.2. How well known the item of rank r is: (r + 20) ** -1.1.
    """
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(seed)
    n_users, n_items = max(10, rows // 30), max(10, rows // 150)
    users, items = names("A", n_users, 13, rng), names("B", n_items, 9, rng)
    activity = np.cumsum(rng.lognormal(sigma=1.2, size=n_users))
    fame = np.cumsum((np.arange(n_items) + 20.0) ** -1.1)
    for begin in range(0, rows, CHUNK):
        n = min(CHUNK, rows - begin)
        yield pl.DataFrame(
            {
                "user": users.gather(drawn(activity, n, rng)),
                "item": items.gather(drawn(fame, n, rng)),
                "rating": rng.choice(5, n, p=(0.06, 0.06, 0.11, 0.22, 0.55)) + 1,
                "time": START + rng.integers(SECONDS, size=n),
            }
        )


def drawn(weights: Any, n: int, rng: Any) -> Any:
    """(n,) places drawn with these cumulated weights."""
    import numpy as np

    return np.searchsorted(weights, rng.random(n) * weights[-1])


def names(prefix: str, count: int, length: int, rng: Any) -> Any:
    """Distinct ids: the prefix and `length` digits of base 36 that say nothing about their order."""
    import numpy as np
    import polars as pl

    letters = np.frombuffer(DIGITS, dtype=np.uint8)[rng.integers(36, size=(count, length))]
    ids = pl.Series(letters.view(f"S{length}").ravel().astype(f"U{length}"))
    if ids.n_unique() != count:
        raise ValueError(f"two ids of {count:,} are equal: take another seed")
    return prefix + ids
