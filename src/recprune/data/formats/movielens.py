"""MovieLens folders: 100K (`u.data`, `u.user`, `u.item`) and 1M (`ratings.dat`, `users.dat`, `movies.dat`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from recprune.data.beside import beside
from recprune.data.dataset import Roles
from recprune.data.formats import delimited
from recprune.data.log import Log
from recprune.data.unpack import blocks
from recprune.errors import DataError

__all__ = ["read"]

GENRES = (  # noqa: SIM905
    "unknown Action Adventure Animation Children's Comedy Crime Documentary Drama Fantasy Film-Noir Horror Musical "
    "Mystery Romance Sci-Fi Thriller War Western"
).split()
RATING = ("user", "item", "rating", "time")
PLAIN = Roles(user="user", item="item", rating="rating", time="time")


def read(path: str | Path, roles: Roles | None = None, *, fields: bool = True) -> Log:
    """A log from a MovieLens folder of the 100K or 1M kind, its files plain or packed.

    Columns user, item, rating (1 to 5) and time (seconds); and, where the files of users and films are there and
    `fields` is true: gender, occupation, zip and age of the user (age in years is a number; in 1M a group), year and
    genres of the film. Where no file is called `ratings.dat`, the one whose name begins with `ratings` is taken.
    Raises DataError where the folder holds no such ratings.
    """
    folder = Path(path)
    if (found := one(folder, "u.data*")) is not None:
        log = delimited.read(found, PLAIN, separator="\t", header=False, columns=RATING)
        users, items = (users_100k(folder), items_100k(folder)) if fields else (None, None)
    elif (found := one(folder, "ratings*.dat*")) is not None:
        log = delimited.read(found, PLAIN, separator="::", header=False, columns=RATING)
        users, items = (users_1m(folder), items_1m(folder)) if fields else (None, None)
    else:
        raise DataError(f"{folder}: expected u.data or ratings.dat (or .gz) of MovieLens there", path=str(folder))
    return joined(log, users, items, numeric=("age",) if found.name.startswith("u.data") else (), roles=roles)


def joined(log: Log, users: Log | None, items: Log | None, *, numeric: Sequence[str], roles: Roles | None) -> Log:
    """The log with the fields of its users and items; what is not known of them is null."""
    of_user, of_item = tuple[str, ...](), tuple[str, ...]()
    if users is not None:
        of_user = tuple(users.frame.collect_schema().names()[1:])
        log = beside(log, users, "user")
    if items is not None:
        of_item = tuple(items.frame.collect_schema().names()[1:])
        log = beside(log, items, "item")
    named = Roles(
        user="user",
        item="item",
        rating="rating",
        time="time",
        categorical=tuple(name for name in of_user if name not in numeric),
        numeric=(*(name for name in of_user if name in numeric), *(name for name in of_item if name == "year")),
        multi=tuple(name for name in of_item if name == "genres"),
        of_user=of_user,
        of_item=of_item,
    )
    return replace(log, roles=roles or (named if of_user or of_item else PLAIN))


def one(folder: Path, pattern: str) -> Path | None:
    """The first file of a pattern, the shortest name first."""
    found = sorted(folder.glob(pattern), key=lambda file: (len(file.name), file.name)) if folder.is_dir() else []
    return found[0] if found else None


def table(folder: Path, pattern: str, separator: str, columns: Sequence[str]) -> Log | None:
    """A side table as text; None where it is not there."""
    found = one(folder, pattern)
    if found is None:
        return None
    encoding = "utf-8" if all_utf8(found) else "latin-1"
    return delimited.read(found, Roles(), separator=separator, header=False, columns=columns, encoding=encoding)


def all_utf8(path: Path) -> bool:
    """Whether a file is UTF-8: the older films are latin-1, newer copies are not."""
    try:
        for block in blocks(path):
            block.decode()
    except UnicodeDecodeError:
        return False
    return True


def users_100k(folder: Path) -> Log | None:
    """user, age in years, gender, occupation, zip."""
    users = table(folder, "u.user*", "|", ("user", "age", "gender", "occupation", "zip"))
    if users is None:
        return None
    return replace(users, frame=users.frame.with_columns(pl.col("age").cast(pl.Float32, strict=False)))


def items_100k(folder: Path) -> Log | None:
    """item, year of release, genres."""
    names = ("item", "title", "released", "video", "url", *GENRES)
    items = table(folder, "u.item*", "|", names)
    if items is None:
        return None
    genres = pl.concat_list([pl.when(pl.col(name) == "1").then(pl.lit(name)) for name in GENRES]).list.drop_nulls()
    year = pl.col("released").str.extract(r"(\d{4})$").cast(pl.Float32)
    return replace(items, frame=items.frame.select("item", year.alias("year"), genres.alias("genres")))


def users_1m(folder: Path) -> Log | None:
    """user, gender, age group, occupation, zip."""
    return table(folder, "users.dat*", "::", ("user", "gender", "age", "occupation", "zip"))


def items_1m(folder: Path) -> Log | None:
    """item, year of release, genres."""
    items = table(folder, "movies.dat*", "::", ("item", "title", "genres"))
    if items is None:
        return None
    year = pl.col("title").str.extract(r"\((\d{4})\)\s*$").cast(pl.Float32)
    return replace(items, frame=items.frame.select("item", year.alias("year"), pl.col("genres").str.split("|")))
