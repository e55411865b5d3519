"""libfm and libsvm lines: `label id:value id:value ...`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from recprune.data.dataset import Roles
from recprune.data.gather import Piece, gather
from recprune.data.lines import judge
from recprune.data.log import Log
from recprune.data.unpack import blocks, first_lines
from recprune.errors import DataError

__all__ = ["read"]

LINE = r"^[^ \t:]+([ \t]+[^ \t:]+:[^ \t:]+)*[ \t]*$"


def read(
    path: str | Path,
    roles: Roles | None = None,
    *,
    fields: Sequence[str] | None = None,
    starts: Sequence[int] | None = None,
    encoding: str = "utf-8",
) -> Log:
    """A log from lines of a label and features that are on, plain or packed. Labels are 1 and 0, or 1 and -1.

    Each id is a value of one field, and keeps its text:
    - `starts` given: field `f` holds the ids from starts[f] up to starts[f + 1] (the last one all that follow); a line
      may lack a field, and has at most one id of each.
    - otherwise, where all lines have the same number of ids: the f-th id of a line is the value of field `f`.
    - otherwise one multi-valued field `features`.
    fields: names, `field_0`, `field_1`, ... if not said; a field that is called `user` or `item` takes that role.
    Lines of another form, or with a value other than 1, stand aside: such values are numbers, which this format does
    not name (write them as delimited text).
    Raises DataError where the file is empty, the names do not fit, or no line can be used.
    """
    form, names = look(path, fields, starts, encoding)
    multi = ("features",) if form == "multi" else ()
    if roles is None:
        roles = Roles(
            user="user" if "user" in names else None,
            item="item" if "item" in names else None,
            label="label",
            categorical=tuple(name for name in names if name not in ("user", "item") and not multi),
            multi=multi,
        )
    return gather(path, pieces(path, form, names, list(starts or ()), encoding), roles)


def look(
    path: str | Path, fields: Sequence[str] | None, starts: Sequence[int] | None, encoding: str
) -> tuple[str, list[str]]:
    """How the ids of a line fall into fields, and what the fields are called."""
    if starts is not None:
        count = len(starts)
        if any(a >= b for a, b in pairwise(starts)):
            raise DataError(f"starts must rise, not {list(starts)}", starts=starts)
        form = "starts"
    else:
        widths = {line.count(":") for line in first_lines(path, encoding)}
        count, form = (widths.pop(), "places") if len(widths) == 1 else (1, "multi")
    if form == "multi":
        return form, ["features"]
    names = list(fields or (f"field_{i}" for i in range(count)))
    if len(names) != count:
        raise DataError(f"{path}: {len(names)} names for {count} fields: {', '.join(names)}", path=str(path))
    return form, names


def pieces(path: str | Path, form: str, names: list[str], starts: list[int], encoding: str) -> Iterator[Piece]:
    """The file as tables of text, block by block."""
    before = 0
    for block in blocks(path, encoding):
        judged = judge(block, None, b" ")
        lines = judged.text.split(b"\n")[:-1]
        text = pl.Series("line", [line.decode() for line in lines], dtype=pl.String)
        table, reasons = table_of(text, form, names, starts)
        wrong = reasons.is_not_null().to_numpy()
        bad = [(line + before + 1, why, raw) for line, why, raw in judged.bad]
        bad += [(int(judged.numbers[i]) + before + 1, reasons[i], lines[i]) for i in np.flatnonzero(wrong).tolist()]
        good = b"\n".join([line for line, out in zip(lines, wrong, strict=True) if not out])
        yield Piece(table.filter(pl.Series(~wrong)), judged.numbers[~wrong] + before + 1, good, bad)
        before += judged.total


def table_of(text: pl.Series, form: str, names: list[str], starts: list[int]) -> tuple[pl.DataFrame, pl.Series]:
    """Label and fields of each line as text, and why a line has none (null where it has)."""
    words = text.to_frame().select(
        label=pl.col("line").str.extract(r"^([^ \t:]+)"),
        ids=pl.col("line").str.extract_all(r"[^ \t:]+:").list.eval(pl.element().str.strip_chars_end(":")),
        form=pl.col("line").str.contains(LINE),
        ones=~pl.col("line").str.contains(r":(?:[^ \t1]|1[^ \t])") | pl.col("line").str.contains(r"^$"),
    )
    say: list[pl.Expr] = [
        pl.when(~pl.col("form")).then(pl.lit("not of the form 'label id:1 id:1'")),
        pl.when(~pl.col("ones")).then(pl.lit("a value other than 1")),
    ]
    if form == "multi":
        columns = [pl.col("ids").alias("features")]
    elif form == "places":
        say.append(pl.when(pl.col("ids").list.len() != len(names)).then(pl.lit("wrong number of columns")))
        columns = [
            pl.col("ids").list.get(i, null_on_oob=True).fill_null("").alias(name) for i, name in enumerate(names)
        ]
    else:
        return by_starts(words, say, names, starts)
    return words.select("label", *columns), words.select(pl.coalesce(say)).to_series()


def by_starts(
    words: pl.DataFrame, say: list[pl.Expr], names: list[str], starts: list[int]
) -> tuple[pl.DataFrame, pl.Series]:
    """Fields by the range that an id falls into."""
    flat = words["ids"].explode(empty_as_null=False, keep_nulls=False)
    rows = np.repeat(np.arange(words.height), words["ids"].list.len().to_numpy())
    number = flat.cast(pl.Int64, strict=False).fill_null(-1).to_numpy()
    place = np.searchsorted(np.array(starts), number, side="right") - 1
    outside = np.bincount(rows[place < 0], minlength=words.height) > 0
    rows, place, flat = rows[place >= 0], place[place >= 0], flat.filter(pl.Series(place >= 0))
    keys, first = np.unique(rows * len(starts) + place, return_index=True)
    twice = np.bincount(rows, minlength=words.height) > np.bincount(keys // len(starts), minlength=words.height)
    columns = {"label": words["label"]}
    for index, name in enumerate(names):
        mine = keys % len(starts) == index
        values = pl.Series(name, [""] * words.height).scatter(keys[mine] // len(starts), flat.gather(first[mine]))
        columns[name] = values
    say = [
        *say,
        pl.when(pl.lit(pl.Series(outside))).then(pl.lit("an id outside the fields")),
        pl.when(pl.lit(pl.Series(twice))).then(pl.lit("two ids of one field")),
    ]
    return pl.DataFrame(columns), words.select(pl.coalesce(say)).to_series()
