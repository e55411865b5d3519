"""Lines of a block, judged at the speed of numpy: how many fields each has, which are broken, and where they stand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["EMPTY", "NOT_UTF8", "QUOTES", "WIDTH", "Judged", "judge"]

EMPTY, NOT_UTF8, WIDTH, QUOTES = "empty line", "not UTF-8", "wrong number of columns", "quotes that do not close"
NEWLINE = 10

Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A block's lines. text: the good ones, each ending with a newline. numbers: (good,) their places, counted from 0.
    bad: place, reason and bytes of each other one. total: how many lines the block has.
    """

    text: bytes
    numbers: Positions
    bad: tuple[tuple[int, str, bytes], ...]
    total: int


def judge(block: bytes, width: int | None, separator: bytes, quote: bytes = b"") -> Judged:
    """Part the lines that have `width` fields (None: any number), are UTF-8 and not empty, from those that do not.

    separator: one byte. A field may be quoted where `quote` is a byte: then separators inside do not count, a doubled
    quote stands for one, and a quote inside an unquoted field stands for itself; a field ends with its line.
    """
    array = np.frombuffer(block, dtype=np.uint8)
    ends = np.flatnonzero(array == NEWLINE)
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    reasons: dict[int, str] = dict.fromkeys(np.flatnonzero(ends == starts).tolist(), EMPTY)
    reasons |= not_utf8(block, array, starts, ends)
    rewritten: dict[int, bytes] = {}
    fields: Positions | None = None
    if quote and quote in block:
        marks = np.flatnonzero(array == quote[0])
        fields, odd = quoted_fields(array, marks, ends, separator[0])
        for line in (line for line in odd if line not in reasons):
            parts = split_quoted(block[starts[line] : ends[line]], separator, quote)
            if parts is None:
                reasons[line] = QUOTES
            else:
                fields[line], rewritten[line] = len(parts), join_quoted(parts, separator, quote)
    elif width is not None and not all_have(width, array, separator[0], starts, ends):
        fields = counted(array, separator[0])
    if width is not None and fields is not None:
        for line in np.flatnonzero(fields != width).tolist():
            reasons.setdefault(line, WIDTH)
    return parted(block, starts, ends, reasons, rewritten)


def all_have(width: int, array: NDArray[np.uint8], separator: int, starts: Positions, ends: Positions) -> bool:
    """Whether every line has so many fields: the quick way to say so of a block in which nothing is wrong."""
    marks = np.flatnonzero(array == separator)
    if width < 2 or len(marks) != len(ends) * (width - 1):
        return False
    of_line = marks.reshape(len(ends), width - 1)
    return bool((of_line[:, 0] >= starts).all() and (of_line[:, -1] < ends).all())


def counted(array: NDArray[np.uint8], separator: int) -> Positions:
    """(lines,) number of fields of each line."""
    marks = np.flatnonzero((array == separator) | (array == NEWLINE))
    return np.diff(np.flatnonzero(array[marks] == NEWLINE), prepend=-1)


def quoted_fields(
    array: NDArray[np.uint8], marks: Positions, ends: Positions, separator: int
) -> tuple[Positions, list[int]]:
    """(lines,) fields of each line when every other quote of a line opens, and the lines where that is not so."""
    line = np.searchsorted(ends, marks)
    before = np.searchsorted(marks, np.concatenate([[0], ends[:-1] + 1]))  # quotes in front of each line
    opens = (np.arange(len(marks)) - before[line]) % 2 == 0
    left = np.where(marks > 0, array[np.maximum(marks - 1, 0)], NEWLINE)
    neighbour = np.where(opens, left, array[marks + 1])  # a block ends with a newline, so there is a next byte
    regular = (neighbour == separator) | (neighbour == NEWLINE) | (neighbour == array[marks])
    per_line = np.bincount(line, minlength=len(ends))
    odd = np.unique(np.concatenate([line[~regular], np.flatnonzero(per_line % 2)]))
    separators = np.flatnonzero(array == separator)
    where = np.searchsorted(ends, separators)
    outside = (np.searchsorted(marks, separators) - before[where]) % 2 == 0
    fields = 1 + np.bincount(where[outside], minlength=len(ends))
    return fields, odd.tolist()


def split_quoted(line: bytes, separator: bytes, quote: bytes) -> list[bytes] | None:
    """Fields of one line, one character after the other; None where a quoted field does not close or goes on after."""
    fields, at = [], 0
    while True:
        if line.startswith(quote, at):
            field, at = b"", at + 1
            while True:
                close = line.find(quote, at)
                if close < 0:
                    return None
                field += line[at:close]
                at = close + 1
                if not line.startswith(quote, at):
                    break
                field, at = field + quote, at + 1
            if at < len(line) and not line.startswith(separator, at):
                return None
        else:
            end = line.find(separator, at)
            end = len(line) if end < 0 else end
            field, at = line[at:end], end
        fields.append(field)
        if at >= len(line):
            return fields
        at += 1
        if at == len(line):
            return [*fields, b""]


def join_quoted(fields: list[bytes], separator: bytes, quote: bytes) -> bytes:
    """One line in the form that every reader agrees on."""
    return separator.join(
        quote + field.replace(quote, quote * 2) + quote if quote in field or separator in field else field
        for field in fields
    )


def not_utf8(block: bytes, array: NDArray[np.uint8], starts: Positions, ends: Positions) -> dict[int, str]:
    """Lines that cannot be decoded."""
    if block.isascii():
        return {}
    try:
        block.decode()
    except UnicodeDecodeError:
        pass
    else:
        return {}
    bad = {}
    for line in np.unique(np.searchsorted(ends, np.flatnonzero(array >= 128))).tolist():
        try:
            block[starts[line] : ends[line]].decode()
        except UnicodeDecodeError:
            bad[line] = NOT_UTF8
    return bad


def parted(
    block: bytes, starts: Positions, ends: Positions, reasons: dict[int, str], rewritten: dict[int, bytes]
) -> Judged:
    """Put the good lines together again, in order."""
    bad = tuple((line, reasons[line], block[starts[line] : ends[line]]) for line in sorted(reasons))
    numbers = np.delete(np.arange(len(ends)), [line for line, _, _ in bad])
    pieces, at = [], 0
    for line in sorted({*reasons, *rewritten}):
        pieces.append(block[at : starts[line]])
        if line not in reasons:
            pieces.append(rewritten[line] + b"\n")
        at = int(ends[line]) + 1
    return Judged(b"".join([*pieces, block[at:]]) if pieces else block, numbers, bad, len(ends))
