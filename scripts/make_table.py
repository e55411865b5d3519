"""Make a table of rows of drawn numbers, of any size, in little memory: a safetensors file with one matrix.

python scripts/make_table.py table.safetensors --bytes 10000000000

Rows are 64 float32 numbers from a generator of that seed, scaled as the popularity of rows is (Zipf); some rows are
equal to others, so that ties have to be broken.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

from recprune.large.table import header

BLOCK = 1 << 17


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--bytes", type=int, default=10_000_000_000)
    parser.add_argument("--columns", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rows = asked.bytes // (4 * asked.columns)
    rng = np.random.default_rng(asked.seed)
    base = rng.standard_normal((BLOCK + rows % 7, asked.columns), dtype=np.float32)
    with asked.out.open("wb") as file:
        file.write(header({"table": ("F32", (rows, asked.columns), rows * 4 * asked.columns)}))
        for start in range(0, rows, BLOCK):
            numbers = np.arange(start, min(start + BLOCK, rows))
            scale = (1 / np.sqrt(1 + rng.permutation(numbers) % 9973)).astype(np.float32)
            file.write((base[numbers - start] * scale[:, None]).data)
        file.flush()
        os.fsync(file.fileno())
    print(f"{asked.out}: {rows:,} rows of {asked.columns}, {asked.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
