"""What a text file says about itself: its separator, whether it has a header, and which column plays which part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from recprune.data.dataset import Roles
from recprune.data.lines import split_quoted

__all__ = ["completed", "fields", "guess_header", "guess_roles", "guess_separator", "is_number", "quote_of"]

SINGLE = ("user", "item", "rating", "label", "time")
SEPARATORS = ("\t", "::", ", ", ",", ";", "|", " ")
"""Tried in this order; the one that gives most lines the same number of fields, more than one, wins."""

ALIASES = {
    "user": "user userid uid usr customer customerid household householdid visitor visitorid reviewerid account",
    "item": "item itemid iid movie movieid film product productid stockcode article articleid anime animeid asin "
    "parentasin book bookid isbn business businessid track trackid artist artistid game gameid app appid song songid",
    "rating": "rating ratings score stars overall feedback reviewrating",
    "label": "label click clicked target islike isclick",
    "time": "time timestamp datetime date ts unixtime unixreviewtime transactiontimestamp invoicedate createdat "
    "eventtime",
}
"""Column names that are known without being told; case, `_`, `-`, spaces and a RecBole type after `:` do not count."""

PARTS = {alias.removesuffix("s"): part for part, names in ALIASES.items() for alias in names.split()}


def quote_of(separator: str) -> str:
    """The quote that a file with this separator has by habit: `"` with commas and semicolons, none otherwise."""
    return '"' if separator in (",", ";") else ""


def fields(line: str, separator: str, quote: str) -> list[str]:
    """Fields of one line, to look at."""
    if quote:
        parts = split_quoted(line.encode(), separator.encode(), quote.encode())
        if parts is not None:
            return [part.decode() for part in parts]
    return line.split(separator)


def guess_separator(lines: Sequence[str], quote: str | None = None) -> str | None:
    """The separator of these lines, or None where none parts them. quote: the one that was said, or that of habit."""
    best, found = 0.5, None
    for separator in SEPARATORS:
        if separator == ", " and any('"' in line or line.count(",") != line.count(", ") for line in lines):
            continue
        widths = Counter(
            len(fields(line, separator, quote_of(separator) if quote is None else quote)) for line in lines
        )
        width, count = widths.most_common(1)[0]
        if width > 1 and count / len(lines) > best:
            best, found = count / len(lines), separator
    return found


def guess_header(rows: Sequence[Sequence[str]], roles: Roles | None) -> bool:
    """Whether the first row names the columns: it holds the names of the roles, or (without roles) those of a user and
    an item that are known, or one that is known and no number; or it holds no number where the rows below do.
    """
    first = rows[0]
    if roles is not None:
        named = {roles.user, roles.item, roles.rating, roles.label, roles.time, *roles.categorical, *roles.numeric}
        if (named | set(roles.multi)) - {None} <= set(first):
            return True
    elif {"user", "item"} <= {PARTS.get(plain(name)) for name in first}:
        return True
    if any(is_number(name) for name in first):
        return False
    if roles is None and any(plain(name) in PARTS for name in first):
        return True
    return any(is_number(value) for row in rows[1:] for value in row)


def guess_roles(names: Sequence[str], rows: Sequence[Sequence[str]], *, header: bool) -> Roles:
    """Roles by the names of the columns; without a header: user, item, rating, time in this order, where there are
    two to four columns and the third holds numbers (above a million they are the time).
    """
    found: dict[str, str] = {}
    if header:
        for name in names:
            part = PARTS.get(plain(name))
            if part and part not in found:
                found[part] = name
        if "user" not in found:
            found.pop("rating", None)  # a table of items: its rating is not somebody's
    elif 2 <= len(names) <= 4:
        parts = ["user", "item", "rating", "time"][: len(names)]
        thirds = [row[2] for row in rows if len(row) == len(names) > 2]
        if any(not is_number(third) for third in thirds):
            parts = []
        elif len(names) == 3 and all(float(third) > 1e6 for third in thirds):
            parts[2] = "time"
        found = dict(zip(parts, names, strict=False))
    return Roles(
        user=found.get("user"),
        item=found.get("item"),
        rating=found.get("rating"),
        label=found.get("label"),
        time=found.get("time"),
    )


def completed(roles: Roles, known: Roles) -> Roles:
    """The roles that were said; user, item, rating, label and time from what is known, where they were not said."""
    taken = {roles.user, roles.item, roles.rating, roles.label, roles.time, *roles.categorical, *roles.numeric}
    free = {name: column for name in SINGLE if (column := getattr(known, name)) not in taken | set(roles.multi)}
    return replace(roles, **{name: column for name, column in free.items() if getattr(roles, name) is None})


def plain(name: str) -> str:
    """A column's name without what does not count."""
    return "".join(c for c in name.split(":")[0].casefold() if c not in "_- .").removesuffix("s")


def is_number(text: str) -> bool:
    """Whether it is a plain number."""
    try:
        float(text)
    except ValueError:
        return False
    return text.isascii() and "_" not in text
