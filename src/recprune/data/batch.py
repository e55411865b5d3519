"""Rows as a database gives them become rows as files have them: text that is text, numbers, times and lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from recprune.data.gather import Piece
from recprune.data.lines import NOT_UTF8
from recprune.data.needed import needed
from recprune.errors import DataError

__all__ = ["frame_of_arrow", "piece_of_batch", "readable"]

UUID = ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))
"""Where the five groups of 32 hexadecimal digits begin, and how long they are."""
FIRST, LAST = -719_162, 2_932_896
"""Days from 1970 to the first of the year 1 and to the last of 9999. `infinity` lies beyond, and is no moment."""
UNITS = {"ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
"""Of a time -> how many make a day."""


def piece_of_batch(batch: pl.DataFrame, broken: pl.Series, before: int) -> Piece:
    """The rows of a readable batch that is text throughout; the others stand aside. before: rows in front of it."""
    numbers = np.arange(before + 1, before + batch.height + 1)
    if not broken.any():
        return Piece(batch, numbers, b"", (), as_json=True)
    lines = broken.to_numpy()
    texts = batch.filter(broken).select(pl.struct(pl.all()).struct.json_encode()).to_series()
    bad = [(int(line), NOT_UTF8, text.encode()) for line, text in zip(numbers[lines], texts, strict=True)]
    return Piece(batch.filter(~broken), numbers[~lines], b"", bad, as_json=True)


def readable(batch: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Bytes as text, decimals and enumerations as they are written, times outside the years 1 to 9999 as none; and
    which rows hold bytes that are no UTF-8 (these stand there as `\\xff`)."""
    broken = pl.Series([False]).new_from_index(0, batch.height)
    columns = []
    for column in batch:
        if column.dtype in (pl.Binary, pl.List(pl.Binary)):
            column, wrong = decoded(column)
            broken = broken | wrong
        columns.append(plain(column))
    return pl.DataFrame(columns), broken


def decoded(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Bytes, or lists of bytes, as text; and where they are none."""
    kind = pl.String() if column.dtype == pl.Binary else pl.List(pl.String)
    try:
        return column.cast(kind), pl.Series([False]).new_from_index(0, len(column))
    except pl.exceptions.ComputeError:
        texts = [told(value) for value in column]
    return pl.Series(column.name, [text for text, _ in texts], kind), pl.Series([broken for _, broken in texts])


def told(value: Any) -> tuple[Any, bool]:
    """Bytes, or a list of them, as text with `\\xff` for what is none, and whether there is such."""
    if value is None:
        return None, False
    if not isinstance(value, bytes):
        each = [told(one) for one in value]
        return [text for text, _ in each], any(broken for _, broken in each)
    try:
        return value.decode(), False
    except UnicodeDecodeError:
        return value.decode(errors="backslashreplace"), True


def plain(column: pl.Series) -> pl.Series:
    """A column in a type that files have."""
    dtype: Any = column.dtype
    if dtype in (pl.Decimal, pl.Categorical, pl.Enum, pl.Null):
        return column.cast(pl.String)
    if dtype == pl.Date or isinstance(dtype, pl.Datetime):
        day = UNITS[dtype.time_unit] if isinstance(dtype, pl.Datetime) else 1
        days = column.to_physical() // day
        return column.set((days < FIRST) | (days > LAST), None)
    return column


def frame_of_arrow(batch: Any, columns: list[str], where: str) -> pl.DataFrame:
    """Columns of an Arrow batch. Text comes as bytes, which `readable` looks at: whether it is UTF-8 is not certain.

    Raises DataError for a type of which no text or number can be made, such as an interval or a record.
    """
    return pl.DataFrame([series_of(name, batch, where) for name in columns])


def series_of(name: str, batch: Any, where: str) -> pl.Series:
    """One column."""
    pa = needed("pyarrow", "sources")
    field, array, types = batch.schema.field(name), batch.column(name), pa.types
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    kind, told = array.type, (field.metadata or {}).get(b"POSTGRESQL:type", b"").decode()
    if types.is_fixed_size_binary(kind) and kind.byte_width == 16:
        digits = pl.Series(name, array.cast(pa.binary()), pl.Binary).bin.encode("hex")
        groups = [pl.col(name).str.slice(*group) for group in UUID]
        return digits.to_frame().select(pl.concat_str(groups, separator="-").alias(name)).to_series()
    if types.is_string(kind) or types.is_large_string(kind):
        array = array.view(pa.binary() if types.is_string(kind) else pa.large_binary())
    elif types.is_list(kind) and types.is_string(kind.value_type):
        array = array.cast(pa.list_(pa.binary()))
    elif types.is_binary(kind) and told not in ("", "bytea"):
        raise refused(name, told, where)
    elif types.is_struct(kind) or types.is_map(kind) or types.is_interval(kind) or types.is_duration(kind):
        raise refused(name, told or str(kind), where)
    return pl.Series(name, array)


def refused(name: str, kind: str, where: str) -> DataError:
    """What is raised for a type that means nothing here."""
    return DataError(
        f"{where}: the column {name!r} is of the type {kind}, of which no id and no number can be made; change it in "
        f'the query, as in CAST("{name}" AS text)',
        path=where,
        column=name,
        type=kind,
    )
