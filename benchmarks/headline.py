"""The picture of the README: quality over bytes on four data sets: `python -m benchmarks.headline`.

Draws docs/headline.svg from the results that are committed; nothing is measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from benchmarks.quality_plot import Panel, Series, quality_plot
from benchmarks.result import FOLDER

from recprune.atomic import write_bytes

__all__ = ["drawn", "main"]

OURS, WHOLE, SCRATCH, INT8, INT4 = "recprune", "the whole model", "same size from scratch", "int8 alone", "int4 alone"
WHAT = "Quality over bytes: recprune beside the whole models and their rivals"
LIGHTGCN = (18_135_296, 0.1554)
"""Bytes and NDCG@20 of LightGCN on Gowalla, 64 dims of users and items, as published."""


def main() -> None:
    """Draw the picture."""
    path = FOLDER.parent.parent / "docs" / "headline.svg"
    write_bytes(path, drawn().encode())
    print(f"written: {path}")


def drawn() -> str:
    """The picture as text."""
    return quality_plot([of_movielens(), of_gowalla(), of_beauty(), of_frappe()], WHAT)


def of_movielens() -> Panel:
    """EASE on MovieLens 1M."""
    rows = points("lists_small_ml-1m", "ndcg@10")
    ours = [one for name, one in rows.items() if name.startswith("1/")]
    series = (
        Series(OURS, ours),
        Series(WHOLE, [rows["ease"]]),
        Series(INT8, [rows["int8 alone"]]),
        Series(INT4, [rows["int4 alone"]]),
    )
    return Panel("MovieLens 1M, EASE", "NDCG@10", series, 0.32)


def of_gowalla() -> Panel:
    """A mixture on Gowalla."""
    rows = points("gowalla", "ndcg@20")

    def of(what: str) -> list[tuple[float, float]]:
        return [one for name, one in rows.items() if name.endswith(what)]

    series = (
        Series(OURS, of(", recprune")),
        Series(WHOLE, [rows["mixture: 64 dims and all pairs"]]),
        Series(INT8, [rows["64 dims of items, int8"]]),
        Series(INT4, of(", int4 of fewer dims")),
        Series("MagPrune", of(", MagPrune")),
        Series("PEP", of(", PEP")),
        Series("LightGCN (published)", [LIGHTGCN]),
    )
    return Panel("Gowalla, factors and walks", "NDCG@20", series, 0.12)


def of_beauty() -> Panel:
    """SASRec on Amazon Beauty."""
    rows = points("sequences_small_beauty", "ndcg@10")
    scratch = ", same size from scratch"
    series = (
        Series(OURS, [one for name, one in rows.items() if name.startswith("1/") and not name.endswith(scratch)]),
        Series(WHOLE, [rows["sasrec"]]),
        Series(SCRATCH, [one for name, one in rows.items() if name.endswith(scratch)]),
        Series(INT8, [rows["int8 alone"]]),
        Series(INT4, [rows["int4 alone"]]),
    )
    return Panel("Amazon Beauty, SASRec", "NDCG@10", series, 0.04)


def of_frappe() -> Panel:
    """DeepFM on Frappe."""
    rows = points("few_bytes_deepfm", "auc")
    ours, scratch = (
        [one for name, one in rows.items() if name.endswith(what)]
        for what in ("%, pruned", "%, same size from scratch")
    )
    series = (
        Series(OURS, ours),
        Series(WHOLE, [rows["dense"]]),
        Series(SCRATCH, scratch),
        Series(INT8, [rows["dense, int8"]]),
        Series(INT4, [rows["dense, int4"]]),
    )
    return Panel("Frappe, DeepFM", "AUC", series, 0.94)


def points(result: str, metric: str) -> Mapping[str, tuple[float, float]]:
    """Model -> its bytes and its quality."""
    found: dict[str, Any] = json.loads((FOLDER / f"{result}.json").read_text(encoding="utf-8"))
    size, quality = found["columns"].index("bytes"), found["columns"].index(metric)
    return {str(row[0]): (float(row[size]), float(row[quality])) for row in found["rows"]}


if __name__ == "__main__":
    main()
