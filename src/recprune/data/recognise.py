"""Which format a file or a folder has, by what it holds."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from recprune.data.address import redacted
from recprune.data.guess import fields, guess_header, guess_roles, guess_separator, quote_of
from recprune.data.unpack import first_lines
from recprune.errors import DataError

__all__ = ["parts_of", "recognise"]

WORDS = {"train": "train", "training": "train", "test": "test", "valid": "valid", "validation": "valid", "dev": "valid"}
LIBFM = re.compile(r"^[^ \t:]+([ \t]+\d+:[^ \t:]+)+[ \t]*$")
MSWEB = re.compile(r"^[ITNACV],")
TABLES = ("transactions", "products", "demographics")
FIRST = ((0, b"PAR1", "parquet"), (0, b"SQLite format 3\0", "sqlite"), (8, b"DUCK", "duckdb"))
"""Where a format's own bytes stand, the bytes, the format."""
MAGIC = frozenset("*?[")
INTEGERS = re.compile(r"^\d+( +\d+)* *$")


def recognise(path: Path) -> tuple[Path, str, dict[str, Any]]:
    """Where the log is, its format, and options that go with it.

    A pattern (`*`, `?`, `[...]`) that is no name of a file: parquet.
    A folder: movielens where it holds u.data or ratings*.dat, recbole where it holds one .inter file, completejourney
    where it holds its three tables, parquet where it or the folders in it hold Parquet files; otherwise its one file of
    interactions, which is the one called sequences, transactions, ratings, interactions or log, or the only one, or the
    only one whose header names a user and an item.
    A file: parquet, sqlite and duckdb by their first bytes, recbole by its name; then by its first lines: jsonlines
    (objects), libfm (`label id:value`), msweb, lines of whole numbers in differing count (adjacency; ordered where the
    file is called sequences), and delimited where a separator is found. Session lines look like adjacency lines: name
    that format.
    Raises DataError where nothing fits.
    """
    if not path.exists():
        if MAGIC & set(str(path)):
            return path, "parquet", {}
        raise DataError(redacted(f"{path}: no such file or folder"), path=redacted(str(path)))
    return folder(path) if path.is_dir() else (path, *file(path))


def folder(path: Path) -> tuple[Path, str, dict[str, Any]]:
    """The format of a folder."""
    if any(path.glob("u.data*")) or any(path.glob("ratings*.dat*")):
        return path, "movielens", {}
    if len(list(path.glob("*.inter"))) == 1:
        return path, "recbole", {}
    names = [file.name for file in sorted(path.iterdir()) if file.is_file() and not file.name.startswith(".")]
    if all(any(name.startswith(f"{table}.") for name in names) for table in TABLES):
        return path, "completejourney", {}
    if any(path.rglob("*.parquet")):
        return path, "parquet", {}
    for word in ("sequences", "transactions", "ratings", "interactions", "log"):
        found = [name for name in names if name.split(".")[0] == word]
        if len(found) == 1:
            return path / found[0], *file(path / found[0])
    found = names if len(names) == 1 else [name for name in names if names_pairs(path / name)]
    if len(found) == 1:
        return path / found[0], *file(path / found[0])
    raise DataError(
        f"{path}: cannot tell which file holds the interactions: {', '.join(names) or 'there is none'}. Name the file; "
        "train and test files that lie side by side are read with read_parts (prepare --split given)",
        path=str(path),
        files=names,
    )


def file(path: Path) -> tuple[str, dict[str, Any]]:
    """The format of a file."""
    with path.open("rb") as opened:
        head = opened.read(16)
    for place, magic, format in FIRST:
        if head[place:].startswith(magic):
            return format, {}
    if path.suffix == ".inter":
        return "recbole", {}
    lines = first_lines(path, None)
    if lines and all(is_object(line) for line in lines[:3]):
        return "jsonlines", {}
    if lines and all(LIBFM.match(line) for line in lines):
        return "libfm", {}
    if sum(bool(MSWEB.match(line)) for line in lines) > len(lines) / 2 and any(line[0] in "ITN" for line in lines):
        return "msweb", {}
    if lines and all(INTEGERS.match(line) for line in lines) and len({line.count(" ") for line in lines}) > 1:
        return "adjacency", {"ordered": True} if path.name.startswith("sequences") else {}
    if lines and guess_separator(lines):
        return "delimited", {}
    raise DataError(
        f"{path}: no format fits; name it. The first line is {lines[0][:200]!r}"
        if lines
        else f"{path}: empty lines only",
        path=str(path),
    )


def names_pairs(path: Path) -> bool:
    """Whether a text file has a header with well-known names for a user and an item."""
    try:
        lines = first_lines(path, None, count=3)
    except DataError:
        return False
    separator = guess_separator(lines) if lines else None
    if separator is None:
        return False
    rows = [fields(line, separator, quote_of(separator)) for line in lines]
    roles = guess_roles(rows[0], rows[1:], header=True)
    return guess_header(rows, None) and roles.user is not None and roles.item is not None


def is_object(line: str) -> bool:
    """Whether a line is a JSON object."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def parts_of(path: Path) -> dict[str, Path]:
    """Part -> its file, by the words of the file names; where none says train, a single `data` beside `test` is it."""
    if not path.is_dir():
        raise DataError(f"{path}: expected a folder with train and test files", path=str(path))
    found: dict[str, Path] = {}
    for file in sorted(path.iterdir()):
        parts = {WORDS[word] for word in re.split(r"[^a-z]+", file.name.lower()) if word in WORDS}
        if len(parts) != 1 or not file.is_file():
            continue
        part = parts.pop()
        if part in found:
            raise DataError(f"{path}: two files are {part}: {found[part].name} and {file.name}", path=str(path))
        found[part] = file
    rest = [file for file in sorted(path.iterdir()) if file not in found.values() and ".data" in file.name]
    if "train" not in found and "test" in found and len(rest) == 1:
        found["train"] = rest[0]
    if not {"train", "test"} <= set(found):
        raise DataError(f"{path}: expected a file with train and one with test in its name", path=str(path))
    return {part: found[part] for part in ("train", "valid", "test") if part in found}
