"""How fast the best items are found among product codes: ours beside faiss at as many bytes a row.

    python -m benchmarks.coded_search

All run in one process on one thread, in turns, as in benchmarks/kernels.py. Rows are of a thousand clusters, as learned
tables are; what is found is compared with the best by the rows as they were. Writes results/coded_search.json.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import faiss
import numpy as np
import torch
from benchmarks.kernels import OURS, SEEN, K, Lists, Ways, by_torch, dropped, measured
from benchmarks.result import write_result
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recprune.dispatch import which
from recprune.encodings.product_rows import ProductRows
from recprune.kernels.catalogue import Catalogue
from recprune.kernels.stored import stored

__all__ = ["main"]

SIZES = (
    (12_101, 64, 8),
    (12_101, 64, 16),
    (17_586, 128, 32),
    (43_097, 128, 16),
    (43_097, 128, 32),
    (1_000_000, 64, 8),
    (1_000_000, 64, 16),
)
"""Items, dimensions, bytes of a row. 12,101 are those of Amazon Beauty, 17,586 of Yoochoose, 43,097 of
Diginetica."""
LEARNED = 30_000
"""Rows that books are learned from."""
CLUSTERS = 1_000
BESIDE, DECODED, PQ, FAST, PLAIN = "ours, in int8", "ours, decoded", "faiss PQ", "faiss PQFastScan", "torch, decoded"
WHO = (OURS, BESIDE, DECODED, PQ, FAST, PLAIN)


def main() -> None:
    """Measure everything and write the result."""
    torch.set_num_threads(1)
    with threadpool_limits(1):
        rows = [row(*size) for size in SIZES]
    columns = ["rows", "bytes a row", *(f"{who}, ms" for who in WHO)]
    columns += ["ours, bytes read", "in int8, bytes read", "decoded, bytes held"]
    columns += ["passed over as", "times faster than decoded", "than faiss PQ"]
    columns += [f"found by {who}" for who in (OURS, PQ, FAST)]
    write_result("coded_search", "The top 20 among product codes, one thread", columns, rows, notes=notes(), seeds=[0],
                 data=["random vectors"], command="python -m benchmarks.coded_search")  # fmt: skip


def notes() -> list[str]:
    """What a reader has to know."""
    return [
        f"Medians of processor time a request, all in one process and in turns, kernels: {which()}; each user had "
        f"{SEEN} items, for which faiss is asked for as many more",
        f"Ours: product_rows of a centre and m words, 8 bits each, books of int8; faiss PQ: as many groups of 8 bits; "
        f"PQFastScan: twice as many of 4 bits; books learned from {LEARNED:,} rows at most",
        "In int8: the codes, and a byte an entry beside them to be passed over; decoded: the same rows as float32, and "
        "in int8 beside them; torch: product and topk of them",
        "Passed over as: what `Catalogue.of` takes where nothing is said; times faster: of that",
        f"Found: share of the best {K} by the rows as they were, in the mean over the requests; rows are clusters of "
        f"{CLUSTERS:,} and noise of a third of their length",
        "Ours lists what the decoded rows list, item by item, which is checked",
    ]


def row(n: int, dim: int, size: int) -> list[Any]:
    """One size: milliseconds, bytes, and what is found."""
    rows, queries, seen = drawn(n, dim, repeats := 101 if n < 100_000 else 31)
    print(f"{n:,} x {dim}, {size} bytes a row", flush=True)
    codes = coded(rows, size - 1)
    decoded = codes.dense()
    own, beside = Catalogue.of(codes, scan="product"), Catalogue.of(codes, scan="int8")
    plain, taken = Catalogue.of(decoded, scan="int8"), stored(codes, None).scan
    pq, fast = (
        trained(faiss.IndexPQ(dim, size, 8, faiss.METRIC_INNER_PRODUCT), rows),
        trained(faiss.IndexPQFastScan(dim, 2 * size, 4, faiss.METRIC_INNER_PRODUCT), rows),
    )
    ways: Ways = {
        OURS: lambda i: own.top(queries[i], K, seen[i]).items,
        BESIDE: lambda i: beside.top(queries[i], K, seen[i]).items,
        DECODED: lambda i: plain.top(queries[i], K, seen[i]).items,
        PQ: lambda i: dropped(pq.search(queries[i : i + 1], K + SEEN)[1][0], seen[i]),
        FAST: lambda i: dropped(fast.search(queries[i : i + 1], K + SEEN)[1][0], seen[i]),
        PLAIN: lambda i: by_torch(decoded @ torch.from_numpy(queries[i]), seen[i]),
    }
    found = measured(ways, repeats)
    if found.same[DECODED] < 1 or found.same[BESIDE] < 1:
        raise RuntimeError("product codes list otherwise than their decoded rows")
    cpu = [found.cpu[who] for who in WHO]
    best = [by_torch(torch.from_numpy(rows @ query), out) for query, out in zip(queries, seen, strict=True)]
    shares = [
        float(np.mean([len(np.intersect1d(ways[who](i), one)) / K for i, one in enumerate(best)]))
        for who in (OURS, PQ, FAST)
    ]
    held = plain.bytes + 4 * n * dim
    mine = found.cpu[OURS if taken == "product" else BESIDE]
    times = found.cpu[DECODED] / mine, found.cpu[PQ] / mine
    return [f"{n:,} × {dim}", size, *cpu, own.bytes, beside.bytes, held, taken, *times, *shares]


def drawn(n: int, dim: int, requests: int) -> tuple[NDArray[np.float32], NDArray[np.float32], list[Lists]]:
    """Items, queries near some of them, and what each user had."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((CLUSTERS, dim), dtype=np.float32)
    items = centres[rng.integers(0, CLUSTERS, n)]
    items += 0.33 * rng.standard_normal((n, dim), dtype=np.float32)
    queries = items[rng.choice(n, requests)] + rng.standard_normal((requests, dim), dtype=np.float32)
    return items, queries, [np.sort(rng.choice(n, SEEN, replace=False)) for _ in range(requests)]


def coded(rows: NDArray[np.float32], groups: int) -> ProductRows:
    """Product codes, in blocks by books that some rows taught."""
    codes = ProductRows.encode(torch.from_numpy(rows[:LEARNED]), m=groups, b=8)
    parts = dict(codes.named_buffers())
    some = [
        parts["codes"],
        *(nearest(codes, block) for block in np.array_split(rows[LEARNED:], 1 + len(rows) // 100_000)),
    ]
    return ProductRows({**parts, "codes": torch.cat(some)})


def nearest(codes: ProductRows, rows: NDArray[np.float32]) -> torch.Tensor:
    """(rows, groups + 1) the nearest centre, then the nearest word of what it leaves in every group."""
    centres, words = codes.books()
    left, edges = torch.from_numpy(rows), codes.edges()
    first = closest(left, centres)
    left = left - centres[first]
    groups = [closest(left[:, a:b], words[:, a:b]) for a, b in pairwise(edges)]
    return torch.stack([first, *groups], 1).to(torch.uint8)


def closest(rows: torch.Tensor, book: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(((0.5 * (book * book).sum(1)) - rows @ book.T).numpy().argmin(1))


def trained(index: Any, rows: NDArray[np.float32]) -> Any:
    """A faiss index that holds the rows."""
    index.train(rows[:LEARNED])
    index.add(rows)
    return index


if __name__ == "__main__":
    main()
