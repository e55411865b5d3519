"""encode: a log becomes numbers. Codes count from 1; 0 is the unknown, the missing and the padding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recprune.data.bins import MISSING, Bins, in_bins
from recprune.data.dataset import Dataset, Roles
from recprune.data.intern import id_columns, interned
from recprune.data.log import Log
from recprune.data.vocabulary import Vocabulary
from recprune.errors import DataError

__all__ = ["decode", "encode", "joint_vocabularies", "missing"]

FIXED = ("user", "item", "rating", "label", "time")


def encode(log: Log, vocabularies: Mapping[str, Vocabulary] | None = None) -> Dataset:
    """The log as a dataset, rows in the same order.

    Ids are opaque and byte-exact. A vocabulary holds the ids of its column, shorter ones first and those of one length
    by their UTF-8 bytes (so that plain numbers stand in their order), whatever the order of the rows. With
    `vocabularies` given (by the dataset's column names) these are used, and ids that they do not know get code 0.
    Missing categorical values get code 0, missing numeric ones stay NaN (see `missing`); a numeric field whose given
    vocabulary is of bins becomes codes of these. Multi-valued fields become (n, width) codes, padded with 0 at the end,
    each value once and in the order of the codes.
    Raises DataError where the log is empty or two columns would have the same name.
    """
    names = renamed(log.roles)
    frame = interned(log.frame, log.roles)
    if frame.height == 0:
        raise DataError(f"{log.source or 'log'}: no row to encode", path=log.source)
    ids = set(id_columns(log.roles))
    columns: dict[str, NDArray[Any]] = {}
    found: dict[str, Vocabulary] = {}
    for name, raw in names.items():
        values = frame[raw]
        if raw in ids:
            listed = isinstance(values.dtype, pl.List)
            flat = values.explode(empty_as_null=False, keep_nulls=False) if listed else values
            known = vocabularies.get(name) if vocabularies is not None else None
            found[name], codes = codes_of(name, flat, known)
            columns[name] = padded(codes, values) if listed else codes
        else:
            columns[name] = numbers(name, values)
    numeric, known_ones = columns.keys() - found.keys(), vocabularies or {}
    bins = {name: known for name, known in known_ones.items() if isinstance(known, Bins) and name in numeric}
    return in_bins(Dataset(columns, found, log.roles), bins)


def renamed(roles: Roles) -> dict[str, str]:
    """Name in the dataset -> column of the log."""
    names: dict[str, str] = {part: raw for part in FIXED if (raw := getattr(roles, part))}
    for raw in (*roles.categorical, *roles.numeric, *roles.multi):
        if raw in names.values():
            continue
        if raw in FIXED or raw in names:
            raise DataError(f"a field cannot be called {raw!r}, which is a role: rename the column", column=raw)
        names[raw] = raw
    return names


def codes_of(name: str, values: pl.Series, known: Vocabulary | None) -> tuple[Vocabulary, NDArray[np.int32]]:
    """The vocabulary of a Categorical series, and its codes, 0 where it is null or unknown."""
    table = distinct(values)
    if known is None:
        vocabulary, codes = Vocabulary(name, table["id"].to_list()), np.arange(1, table.height + 1, dtype=np.int32)
    else:
        vocabulary, codes = known, known.encode(table["id"])
    return vocabulary, looked_up(values, table, codes)


def distinct(values: pl.Series) -> pl.DataFrame:
    """The ids of a Categorical series, shorter ones first, then by their bytes: columns `row` (its category), `id`."""
    found = values.drop_nulls().unique()
    table = pl.DataFrame({"row": found.to_physical(), "id": found.cast(pl.String)})
    return table.filter(pl.col("id") != "").sort(pl.col("id").str.len_bytes(), pl.col("id"))


def looked_up(values: pl.Series, table: pl.DataFrame, codes: NDArray[np.int32]) -> NDArray[np.int32]:
    """(n,) the codes of a Categorical series, where those of its distinct ids are known; 0 for null and empty ones."""
    rows = values.to_physical()
    top = rows.max()
    lookup = np.zeros(2 + (int(top) if isinstance(top, int) else 0), dtype=np.int32)
    lookup[table["row"].to_numpy()] = codes
    found: NDArray[np.int32] = lookup[rows.fill_null(len(lookup) - 1).to_numpy()]
    return found


def padded(codes: NDArray[np.int32], lists: pl.Series) -> NDArray[np.int32]:
    """(n, width) codes of each row, ascending and each once, then zeros."""
    lengths = lists.list.len().fill_null(0).to_numpy()
    rows = np.repeat(np.arange(len(lengths)), lengths)
    base = int(codes.max(initial=0)) + 1
    pairs = np.unique(rows[codes > 0] * base + codes[codes > 0])
    rows, codes = pairs // base, (pairs % base).astype(np.int32)
    counts = np.bincount(rows, minlength=len(lengths))
    within = np.arange(len(pairs)) - np.repeat(np.cumsum(counts) - counts, counts)
    out = np.zeros((len(lengths), max(1, int(counts.max(initial=1)))), dtype=np.int32)
    out[rows, within] = codes
    return out


def numbers(name: str, values: pl.Series) -> NDArray[Any]:
    """Numbers of a column: time as int64, everything else as float32, NaN where it is missing; labels 0 or 1."""
    if name == "time":
        if values.null_count():
            raise DataError(f"column time: {values.null_count():,} rows have none", column="time")
        return values.to_numpy()
    out = values.fill_null(float("nan")).to_numpy()
    if name in ("rating", "label") and not np.isfinite(out).all():
        raise DataError(f"column {name}: {int((~np.isfinite(out)).sum()):,} values are not finite", column=name)
    if name == "label":
        if not np.isin(out, (-1, 0, 1)).all():
            raise DataError(
                "column label: expected 0 or 1 (or -1 and 1); say what is positive by a rule", column="label"
            )
        return (out > 0).astype(np.float32)
    return out


def joint_vocabularies(*logs: Log) -> dict[str, Vocabulary]:
    """The vocabularies over several logs together: ids that stand in any of them."""
    parts = [encode(log).vocabularies for log in logs]
    out = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        ids = {key for part in parts if name in part for key in part[name].ids}
        out[name] = Vocabulary(name, sorted(ids, key=lambda key: (len(key.encode()), key.encode())))
    return out


def decode(dataset: Dataset, column: str) -> list[str | None]:
    """The outside ids of a column of codes, None for code 0."""
    return dataset.vocabularies[column].decode(dataset[column].tolist())


def missing(dataset: Dataset) -> dict[str, int]:
    """Fields that lack values -> how many rows: code 0 of a categorical field or its row of its own for them, NaN of a
    numeric one, no code of a multi-valued one."""
    out = {}
    for name, values in dataset.columns.items():
        absent = np.isnan(values) if values.dtype.kind == "f" else values == 0
        known = dataset.vocabularies.get(name)
        if isinstance(known, Bins) and MISSING in known.ids:
            absent |= values == known.ids.index(MISSING) + 1
        count = int(absent.all(axis=1).sum() if absent.ndim == 2 else absent.sum())
        if count and name not in ("rating", "label", "time", "sequence"):
            out[name] = count
    return out
