"""How fast the best items are found: ours beside faiss, implicit, numpy and torch: `python -m benchmarks.kernels`.

All run in one process on one thread, in turns, each request another query; what is told is the median of the processor
time of a call. `--quick` runs a tenth of the sizes, a few times, and writes no result. Writes results/kernels.json.
Rows measured once are kept under benchmarks/runs.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import scipy.sparse as sp
import torch
from benchmarks.result import write_result
from implicit.cpu.topk import topk
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recprune.dispatch import which
from recprune.encodings.item_item import ItemItem
from recprune.kernels.catalogue import Catalogue
from recprune.kernels.neighbours import Neighbours

__all__ = ["main"]

RUNS = Path(__file__).resolve().parent / "runs"
K = 20
SEEN = 27
"""Items that a user of Gowalla had, in the mean."""
ITEMS, USERS = 40_981, 29_858
"""Of Gowalla."""
SOME = 512
"""Users of a batch that is timed; the time of all is told in proportion."""
LEFT, OURS, NOTHING = "dense row adds", "ours", "nothing"
NO_LIST = np.zeros(0, dtype=np.int64)

Lists = NDArray[np.int64]
Ways = Mapping[str, Callable[[int], Lists]]
"""Who -> the k best items, for the number of a request."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Milliseconds of a call, by who answers, in processor time and by the clock; same: share of requests with the same
    items as ours."""

    cpu: dict[str, float]
    wall: dict[str, float]
    same: dict[str, float]


def main(arguments: list[str]) -> None:
    """Measure everything and write the result."""
    quick = "--quick" in arguments
    torch.set_num_threads(1)
    with threadpool_limits(1):
        rows = measure(*(10, 5) if quick else (1, 101))
    if not quick:
        title = "Finding the top 20, one thread"
        write_result("kernels", title, COLUMNS, rows, notes=notes(), data=["random vectors"], seeds=[0])


def measure(part: int, repeats: int) -> list[list[Any]]:
    """All rows of the table, of catalogues of a part of the size."""
    tasks: list[Callable[[], list[Any]]] = []
    for n, dim, cost in SIZES:
        tasks.append(partial(one_request, n // part, dim, max(5, repeats // cost)))
    tasks.append(partial(all_users, ITEMS // part, 64, max(3, repeats // 11)))
    tasks += [partial(item_item, ITEMS // part, entries, repeats) for entries in (200, 20)]
    return [resumed(f"kernels-{part}-{repeats}-{number}", task) for number, task in enumerate(tasks)]


def resumed(name: str, task: Callable[[], list[Any]]) -> list[Any]:
    """A row, kept under benchmarks/runs, so that what was measured is not measured again."""
    kept = RUNS / f"{name}.json"
    if not kept.exists():
        RUNS.mkdir(exist_ok=True)
        kept.write_text(json.dumps(task()), encoding="utf-8")
    row: list[Any] = json.loads(kept.read_text(encoding="utf-8"))
    print(dict(zip(COLUMNS, row, strict=True)), flush=True)
    return row


SIZES = ((ITEMS, 64, 1), (1_000_000, 64, 4), (1_000_000, 128, 8))
"""Items, dimensions, and by how much fewer repeats do."""

COLUMNS = [
    *("request", "ours, ms", "faiss Flat", "implicit", "numpy", "torch", LEFT, "times faster than the next"),
    *("bytes / bandwidth, ms", "ours over that", "ours by the clock, ms", "same items"),
]


def notes() -> list[str]:
    """What a reader has to know."""
    return [
        f"Medians of processor time a call, all in one process and in turns, kernels: {which()}; less that of a call "
        "of nothing in the same turns, about a microsecond",
        "Vectors are normal random numbers, all about as long: nothing can be skipped; each user had 27 items",
        "Ours passes over rows in int8, with bounds, counts exactly what could be among the best, and lists the same",
        "faiss asks for 27 more and drops what was had; numpy: product and argpartition; torch: product and topk",
        f"A batch: {SOME} users in one call, told for {USERS:,}; item-item: histories of {SEEN} items",
        "Bandwidth: of numpy's maximum over 256 MB; 41 thousand rows stay in the cache",
        "Same items: share of requests with the same 20 items, the least of all beside ours",
    ]


def one_request(n: int, dim: int, repeats: int) -> list[Any]:
    """The best for one query."""
    items, queries, seen = drawn(n, dim, repeats)
    index = faiss.IndexFlatIP(dim)
    index.add(items)
    table, catalogue = torch.from_numpy(items), Catalogue.of(items)
    filters = [filtered(out, n) for out in seen]
    found = measured(
        {
            OURS: lambda i: catalogue.top(queries[i], K, seen[i]).items,
            "faiss Flat": lambda i: dropped(index.search(queries[i : i + 1], K + SEEN)[1][0], seen[i]),
            "implicit": lambda i: topk(items, queries[i : i + 1], K, filter_query_items=filters[i], num_threads=1)[0][
                0
            ],
            "numpy": lambda i: by_partition(items @ queries[i], seen[i]),
            "torch": lambda i: by_torch(table @ torch.from_numpy(queries[i]), seen[i]),
        },
        repeats,
    )
    return told(f"one of {n:,} × {dim}", found, catalogue.bytes)


def all_users(n: int, dim: int, repeats: int) -> list[Any]:
    """The best for many queries in one call."""
    items, queries, seen = drawn(n, dim, SOME)
    starts, out = np.arange(SOME + 1) * SEEN, np.concatenate(seen)
    index = faiss.IndexFlatIP(dim)
    index.add(items)
    table, catalogue = torch.from_numpy(items), Catalogue.of(items)
    filters = sp.vstack([filtered(one, n) for one in seen]).tocsr()
    rows = torch.arange(SOME).repeat_interleave(SEEN)

    def torch_batch(_: int) -> Lists:
        scores = torch.from_numpy(queries) @ table.T
        scores[rows, torch.from_numpy(out)] = -torch.inf
        return scores.topk(K).indices.numpy()

    def faiss_batch(_: int) -> Lists:
        wide = index.search(queries, K + SEEN)[1]
        return np.stack([dropped(row, one) for row, one in zip(wide, seen, strict=True)])

    found = measured(
        {
            OURS: lambda _: catalogue.top_of_all(queries, K, (starts, out)).items,
            "faiss Flat": faiss_batch,
            "implicit": lambda _: topk(items, queries, K, filter_query_items=filters, num_threads=1)[0],
            "numpy": lambda _: np.stack(
                [by_partition(row, one) for row, one in zip(queries @ items.T, seen, strict=True)]
            ),
            "torch": torch_batch,
        },
        repeats,
        scale=USERS / SOME,
    )
    return told(f"all {USERS:,} users of {n:,} × {dim}", found, None)


def item_item(n: int, entries: int, repeats: int) -> list[Any]:
    """The best by an item-item matrix of so many entries a row, for histories of 1,000 of the items."""
    rng = np.random.default_rng(0)
    matrix = scattered(n, entries, rng)
    known = np.sort(rng.choice(n, 1000, replace=False))
    dense = np.ascontiguousarray(matrix.tocsc()[:, known].toarray().T)
    held = ItemItem(*map(torch.from_numpy, (matrix.data, matrix.indices, matrix.indptr)), n)
    neighbours = Neighbours.of(held)
    places = [np.sort(rng.choice(1000, SEEN, replace=False)) for _ in range(repeats)]
    histories = [known[one] for one in places]

    def added(i: int) -> Lists:
        sums = dense[places[i][0]].copy()
        for place in places[i][1:]:
            sums += dense[place]
        return by_partition(sums, histories[i])

    ways: Ways = {OURS: lambda i: neighbours.top(histories[i], K).items, LEFT: added}
    found = measured(ways, repeats)
    return told(f"item-item, {entries} of {n:,} a row", found, None)


def scattered(n: int, entries: int, rng: np.random.Generator) -> sp.csr_matrix:
    """A sparse (n, n) matrix with so many entries in every row."""
    gaps = rng.integers(1, max(2, n // entries * 2 - 1), (n, entries), dtype=np.int32)
    columns = (gaps.cumsum(1, dtype=np.int64) - 1 + rng.integers(0, n, (n, 1))) % n
    made = sp.csr_matrix(
        (rng.random(n * entries, dtype=np.float32), columns.reshape(-1), np.arange(n + 1) * entries), shape=(n, n)
    )
    made.sum_duplicates()
    return made


def drawn(n: int, dim: int, requests: int) -> tuple[NDArray[np.float32], NDArray[np.float32], list[Lists]]:
    """Items, queries and what each user had."""
    rng = np.random.default_rng(0)
    items = rng.standard_normal((n, dim), dtype=np.float32)
    queries = rng.standard_normal((requests, dim), dtype=np.float32)
    return items, queries, [np.sort(rng.choice(n, SEEN, replace=False)) for _ in range(requests)]


def measured(ways: Ways, repeats: int, scale: float = 1.0) -> Measured:
    """All in turns, another request every time; the first call of each is not counted. Medians are less that of a call
    of nothing, which is timed in turn as well: what the clocks take, which is a tenth of the shortest request."""
    timed = {**ways, NOTHING: lambda i: NO_LIST}
    cpu: dict[str, list[float]] = {who: [] for who in timed}
    wall: dict[str, list[float]] = {who: [] for who in timed}
    same: dict[str, list[float]] = {who: [] for who in ways}
    for way in timed.values():
        way(0)
    for request in range(repeats):
        lists = {}
        for who, way in timed.items():
            used, clock = time.process_time(), time.perf_counter()
            found = way(request)
            cpu[who].append(time.process_time() - used)
            wall[who].append(time.perf_counter() - clock)
            lists[who] = np.sort(np.atleast_2d(found), 1)
        for who in ways:
            same[who].append(float((lists[who] == lists[OURS]).all(1).mean()))
    return Measured(
        {who: ms * scale for who, ms in medians(cpu).items()},
        {who: ms * scale for who, ms in medians(wall).items()},
        {who: float(np.mean(shares)) for who, shares in same.items()},
    )


def medians(seconds: Mapping[str, list[float]]) -> dict[str, float]:
    """Milliseconds of each way, without those of the clocks."""
    nothing = float(np.median(seconds[NOTHING]))
    return {who: 1000 * (float(np.median(one)) - nothing) for who, one in seconds.items() if who != NOTHING}


def told(name: str, found: Measured, read: int | None) -> list[Any]:
    """A row of the table."""
    ours, others = found.cpu[OURS], [ms for who, ms in found.cpu.items() if who != OURS]
    floor = None if read is None else streamed(read)
    cells = [found.cpu.get(who) for who in COLUMNS[2:7]]
    over = None if floor is None else ours / floor
    return [name, ours, *cells, min(others) / ours, floor, over, found.wall[OURS], min(found.same.values())]


def streamed(size: int) -> float:
    """Milliseconds in which so many bytes come from memory, at the speed that 256 MB are read with."""
    buffer, times = np.ones(1 << 25, dtype=np.int64), []
    for _ in range(15):
        begin = time.process_time()
        buffer.max()
        times.append(time.process_time() - begin)
    return float(np.median(times)) * 1000 * size / buffer.nbytes


def filtered(out: Lists, n: int) -> sp.csr_matrix:
    """What a user had, as implicit takes it."""
    return sp.csr_matrix((np.ones(len(out), dtype=np.float32), out.astype(np.int32), [0, len(out)]), shape=(1, n))


def dropped(found: Lists, out: Lists) -> Lists:
    return found[~np.isin(found, out)][:K]


def by_partition(scores: NDArray[np.float32], out: Lists) -> Lists:
    scores[out] = -np.inf
    best = np.argpartition(-scores, K)[:K]
    return best[np.argsort(-scores[best])]


def by_torch(scores: torch.Tensor, out: Lists) -> Lists:
    scores[torch.from_numpy(out)] = -torch.inf
    return scores.topk(K).indices.numpy()


if __name__ == "__main__":
    main(sys.argv[1:])
