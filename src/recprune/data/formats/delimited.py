"""Delimited text: CSV, TSV, `::` and whatever else parts the fields of a line."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from recprune.data.dataset import Roles
from recprune.data.gather import Piece, gather, piece_of
from recprune.data.guess import fields, guess_header, guess_roles, guess_separator, quote_of
from recprune.data.lines import Judged, judge
from recprune.data.log import Log
from recprune.data.unpack import blocks, first_lines
from recprune.errors import DataError

__all__ = ["read"]

CONTROL = b"\x1f\x1e\x1d\x1c\x01\x02\x03\x04\x05\x06\x0e\x0f"
"""Bytes that stand in for a separator of several characters; one that the block does not hold."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How the lines of a file are to be taken apart."""

    separator: bytes
    quote: bytes
    names: tuple[str, ...]
    header: bool


def read(
    path: str | Path,
    roles: Roles | None = None,
    *,
    separator: str | None = None,
    header: bool | None = None,
    columns: Sequence[str] | None = None,
    quote: str | None = None,
    encoding: str = "utf-8",
    missing: Sequence[str] = ("",),
    multi: str = "|",
) -> Log:
    """A log from delimited text, plain or packed (gz, zst, bz2, xz).

    separator: one or more characters; None guesses. header: whether the first line names the columns; None guesses.
    columns: their names where there is no header (otherwise column_1, column_2, ...), or instead of those it has.
    quote: one character, or "" for none; None: `"` where the separator is `,` or `;`. A quoted field ends on its line.
    missing: what a categorical or numeric field holds where it has no value. multi: what parts the values of a
    multi-valued field. roles: None takes those that well-known column names suggest.

    Every line is used or stands in `rejected`, with its number and its reason: empty, not UTF-8, not as many columns as
    the others, quotes that do not close, no user, no item, a rating, label, number or time that is none.
    Raises DataError where the file is empty, a column is missing, or the separator parts no line.
    """
    shape, roles = look(path, roles, separator, header, columns, quote, encoding)
    return gather(path, pieces(path, shape, encoding), roles, missing=missing, multi=multi)


def look(
    path: str | Path,
    roles: Roles | None,
    separator: str | None,
    header: bool | None,
    columns: Sequence[str] | None,
    quote: str | None,
    encoding: str,
) -> tuple[Shape, Roles]:
    """Shape and roles, said or guessed from the first lines."""
    lines = first_lines(path, encoding)
    if not lines:
        raise DataError(f"{path} holds empty lines only", path=str(path))
    separator = separator_of(path, lines, separator, quote)
    quote = quote_of(separator) if quote is None else quote
    if len(quote) > 1 or (quote and len(separator) > 1):
        raise DataError(f"quote is one character, and goes with a separator of one, not {quote!r} with {separator!r}")
    rows = [fields(line, separator, quote) for line in lines]
    if header is None:
        header = guess_header(rows, roles) if columns is None or len(rows) > 1 else False
    width = len(rows[0]) if header else Counter(map(len, rows)).most_common(1)[0][0]
    names = tuple(columns or (rows[0] if header else (f"column_{i + 1}" for i in range(width))))
    if len(names) != width:
        raise DataError(
            f"{path}: {len(names)} names for {width} columns: {', '.join(names)}; the first line is {lines[0][:200]!r}",
            path=str(path),
            columns=names,
        )
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise DataError(
            f"{path}: two columns are called {twice!r}; name them by columns=", path=str(path), column=twice
        )
    if roles is None:
        roles = guess_roles(names, rows[1:] if header else rows, header=header or columns is not None)
    return Shape(separator.encode(), quote.encode(), names, header), roles


def separator_of(path: str | Path, lines: Sequence[str], separator: str | None, quote: str | None) -> str:
    """The separator that was said, if it parts the lines; otherwise the one that does."""
    if separator == "":
        raise DataError("a separator has one character or more", separator=separator)
    if separator is not None and any(separator in line for line in lines):
        return separator
    found = guess_separator(lines, quote)
    if separator is not None:
        hint = f"it looks like {found!r}" if found else "nothing else seems to part it either"
        raise DataError(
            f"{path}: the separator {separator!r} parts no line, every line has one column; {hint}. "
            f"The first line is {lines[0][:200]!r}",
            path=str(path),
            separator=separator,
            suggestion=found,
        )
    if found is None:
        raise DataError(
            f"{path}: found no separator that gives most lines the same number of columns; name it. "
            f"The first line is {lines[0][:200]!r}",
            path=str(path),
            suggestion=None,
        )
    return found


def pieces(path: str | Path, shape: Shape, encoding: str) -> Iterator[Piece]:
    """The file as tables of text, block by block."""
    before, skip = 0, shape.header
    for block in blocks(path, encoding):
        if skip:
            (before, block), skip = without_header(block), False
        piece, lines = piece_of_block(block, shape, before)
        yield piece
        before += lines


def without_header(block: bytes) -> tuple[int, bytes]:
    """The first block behind its first line that is not empty, and how many lines that leaves out."""
    begin = len(block) - len(block.lstrip(b"\n"))
    end = block.find(b"\n", begin) + 1
    return block.count(b"\n", 0, end), block[end:]


def piece_of_block(block: bytes, shape: Shape, before: int) -> tuple[Piece, int]:
    """Whole lines as a table of text, and how many they are; `before` lines stand in front of them."""
    mark = shape.separator
    if len(mark) > 1:
        mark = stand_in(block)
        block = block.replace(shape.separator, mark)
    judged = judge(block, len(shape.names), mark, shape.quote)
    bad = tuple((line, why, text.replace(mark, shape.separator)) for line, why, text in judged.bad)
    table = parse(judged.text, shape.names, mark, shape.quote)
    text = judged.text if mark == shape.separator else judged.text.replace(mark, shape.separator)
    return piece_of(table, Judged(text, judged.numbers, bad, judged.total), before), judged.total


def parse(text: bytes, names: Sequence[str], separator: bytes, quote: bytes) -> pl.DataFrame:
    """Good lines as columns of strings, byte for byte."""
    if not text:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    table = pl.read_csv(
        io.BytesIO(text),
        has_header=False,
        separator=separator.decode(),
        quote_char=quote.decode() or None,
        infer_schema=False,
        empty_string_is_null=False,
    )
    return table.rename(dict(zip(table.columns, names, strict=True)))


def stand_in(block: bytes) -> bytes:
    """A byte that the block does not hold."""
    for code in CONTROL:
        if code not in block:
            return bytes([code])
    raise DataError("a file that holds every control character cannot be parted at more than one character")
