"""Lists of everybody, block by block, into one file: whole or not at all, and gone on with after a stop."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recprune.atomic import write_bytes
from recprune.data.on_disk import on_disk
from recprune.errors import DataError
from recprune.serving.known import Known
from recprune.serving.recommender import Codes, many_of
from recprune.serving.service import Service
from recprune.serving.table import SUFFIXES, join, packed

__all__ = ["Written", "write_lists"]

STATE = "state.json"
GOES_ON = "What stood there before stands, and the same call goes on where this one was"


@dataclass(frozen=True, slots=True)
class Written:
    """What was written.

    users: who have a list. rows: all that is in the lists. fallback: users who got what most users had. unknown: users
    that the data does not know. short: users with fewer than k. found: blocks that stood there from a run before.
    """

    users: int = 0
    rows: int = 0
    fallback: int = 0
    unknown: int = 0
    short: int = 0
    found: int = 0


def write_lists(
    service: Service,
    out: Path,
    k: int = 20,
    *,
    users: Sequence[str] | None = None,
    with_seen: bool = False,
    block: int = 4096,
    made_from: str = "",
    say: Callable[[str], None] = lambda words: None,
) -> Written:
    """Write the k best items of each user, a row an item: user, rank (from 1), item, score, fallback.

    out: .parquet or .csv. users: outside ids, in this order; None is all of the data, in its order. A user without a
    history, or one that the data does not know, gets what most users had, and `fallback` says so. Nobody's list is
    padded. block: users whose lists are held at once. The blocks are kept in a folder beside `out` until all are there;
    called again with the same `made_from` (what tells model and data apart) and options, only the others are made,
    and the file has the same bytes. Raises DataError for another suffix, k or block below 1, a user given twice, and a
    disk that fails or is full.
    """
    known = _checked(service, out, k, block, users)
    rows, most = _rows(known, users), min(k, max(1, len(service.items.ids)))
    facts = {"made_from": made_from, "k": k, "with_seen": with_seen, "block": block, "users": _digest(users)}
    beside = out.resolve().with_name(f".{out.name}.parts")
    with on_disk(out, GOES_ON):
        found = _begun(beside, facts)
        written = Written(found=len(found))
        parts = []
        for number, begin in enumerate(range(0, len(rows), block)):
            part, some = beside / f"{number:08}.parquet", rows[begin : begin + block]
            if part.name not in found:
                names = None if users is None else users[begin : begin + block]
                write_bytes(part, packed(_block(service, known, some, names, most, with_seen)))
            parts.append(part)
            written = _counted(written, pl.read_parquet(part), some, k)
            say(f"{min(begin + block, len(rows)):,} of {len(rows):,} users")
        join(parts, out)
        shutil.rmtree(beside)
    return written


def _checked(service: Service, out: Path, k: int, block: int, users: Sequence[str] | None) -> Known:
    if out.suffix not in SUFFIXES:
        raise DataError(f"{out}: lists are written to a file that ends in {' or '.join(SUFFIXES)}", path=str(out))
    if out.exists() and not out.is_file():
        raise DataError(f"{out} is no file, and one is to be written there; name another", path=str(out))
    if not out.resolve().parent.is_dir():
        raise DataError(f"{out.parent} is no folder to write into; make it first", path=str(out))
    if k < 1 or block < 1:
        raise DataError(f"k and block are 1 or more, not {k} and {block}", k=k, block=block)
    if service.known is None:
        raise DataError("lists of everybody need data, which says who there is")
    if users is not None and not users:
        raise DataError("the list of users names nobody", users="none")
    if users is not None and len(set(users)) != len(users):
        raise DataError("a user stands twice in the list of users; name each once", users="twice")
    return service.known


def _rows(known: Known, users: Sequence[str] | None) -> Codes:
    """The row of each user in the histories; 0 for one that the data does not know."""
    return np.arange(1, len(known.users)) if users is None else known.users.encode(users).astype(np.int64)


def _digest(users: Sequence[str] | None) -> str:
    if users is None:
        return "all"
    return hashlib.sha256("\0".join(users).encode("utf-8", "surrogatepass")).hexdigest()


def _begun(beside: Path, facts: dict[str, Any]) -> set[str]:
    """The blocks that stand there from a run with the same facts; of another run all are removed."""
    state = beside / STATE
    try:
        same = json.loads(state.read_text(encoding="utf-8")) == facts
    except (OSError, ValueError):
        same = False
    if not same:
        if beside.exists():
            shutil.rmtree(beside)
        beside.mkdir()
        write_bytes(state, json.dumps(facts).encode())
    for name in os.listdir(beside):
        if name.endswith(".tmp"):
            (beside / name).unlink()
    return {name for name in os.listdir(beside) if name.endswith(".parquet")}


def _block(
    service: Service, known: Known, rows: Codes, names: Sequence[str] | None, k: int, with_seen: bool
) -> pl.DataFrame:
    """The lists of some users, best first, in the order of the users."""
    items = np.zeros((len(rows), k), dtype=np.int64)
    scores = np.full((len(rows), k), -np.inf, dtype=np.float32)
    cold = _cold(service, known, rows)
    warm = np.flatnonzero(~cold)
    items[warm], scores[warm] = many_of(service.recommender, rows[warm], known.histories, known.codes, k, with_seen)
    for place in np.flatnonzero(cold):
        listed = known.most_had(k, np.zeros(0, dtype=np.int64) if with_seen else _had(known, int(rows[place])))
        items[place, : len(listed.items)], scores[place, : len(listed.items)] = listed
    return _frame(service, known, rows, names, items, scores, cold)


def _cold(service: Service, known: Known, rows: Codes) -> NDArray[np.bool_]:
    """(rows,) whether the model has nothing to go by."""
    place, items = known.histories.pairs(rows)
    had, had_here = (np.bincount(place[some], minlength=len(rows)) for some in (items >= 0, items > 0))
    each = zip(had.tolist(), had_here.tolist(), known.codes[rows].tolist(), strict=True)
    return np.array([service.cold(*one) for one in each], dtype=bool)


def _had(known: Known, row: int) -> Codes:
    starts = known.histories.starts
    return known.histories.items[starts[row] : starts[row + 1]].astype(np.int64)


def _frame(
    service: Service,
    known: Known,
    rows: Codes,
    names: Sequence[str] | None,
    items: Codes,
    scores: NDArray[np.float32],
    cold: NDArray[np.bool_],
) -> pl.DataFrame:
    there = items > 0
    place, rank = np.nonzero(there)
    who = names if names is not None else known.users.decode(rows.tolist())
    ids = pl.Series(service.items.ids, dtype=pl.String)
    return pl.DataFrame(
        {
            "user": pl.Series(who, dtype=pl.String).gather(place),
            "rank": pl.Series(rank + 1, dtype=pl.Int32),
            "item": ids.gather(items[there] - 1),
            "score": pl.Series(scores[there], dtype=pl.Float32),
            "fallback": pl.Series(cold[place], dtype=pl.Boolean),
        }
    )


def _counted(so_far: Written, frame: pl.DataFrame, rows: Codes, k: int) -> Written:
    lengths = frame.group_by("user").agg(pl.len().alias("n"), pl.col("fallback").first())
    return Written(
        users=so_far.users + lengths.height,
        rows=so_far.rows + frame.height,
        fallback=so_far.fallback + int(lengths["fallback"].sum()),
        unknown=so_far.unknown + int(np.count_nonzero(rows == 0)),
        short=so_far.short + len(rows) - int((lengths["n"].to_numpy() == k).sum()),
        found=so_far.found,
    )
