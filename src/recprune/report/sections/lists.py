"""What some users were shown, before and after; of a click model, what it said of some rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from recprune.data.dataset import Split
from recprune.report.blocks import Block, Cell, List, Lists, Section, Table, Value, Words
from recprune.report.found import Found
from recprune.report.judged import Judged
from recprune.report.lacking import no_data

__all__ = ["lists"]
PLACE = 8
SHOWN = 10
"""Items of a list that are shown."""


def lists(found: Found) -> Section:
    """Some lists, or rows, from those that changed least to those that changed most."""
    return Section("lists", "Lists of some users" if found.ranks else "Some rows", _blocks(found))


def _blocks(found: Found) -> tuple[Block, ...]:
    if found.judged is None or found.split is None:
        return (no_data(found, "Lists before and after" if found.ranks else "Rows before and after"),)
    if not found.users:
        return (Words("No users are shown, as was asked (--users 0).", soft=True),)
    if found.ranks:
        return _of_users(found.judged, found.split, found.users)
    return _of_rows(found.judged, found.split, found.users)


def _of_users(judged: Judged, split: Split, number: int) -> tuple[Block, ...]:
    before, after = (side.raw["top"] for side in (judged.before, judged.after))
    same = np.array([len(np.intersect1d(a[a > 0], b[b > 0])) for a, b in zip(before, after, strict=True)])
    in_place = ((before == after) & (before > 0)).sum(1)
    wanted, k = split.test.histories(), before.shape[1]
    told = (
        f"{number} users of {len(same):,}, evenly from the one whose list changed most to the one whose list changed "
        f"least; the first {min(SHOWN, k)} of {k} items. ✓ marks what the user took later, + what the other list lacks."
    )
    ids = split.vocabularies
    chosen = _spread(same * (k + 1) + in_place, number)
    made = []
    for place in chosen.tolist():
        user = int(judged.users[place])
        later = wanted.items[wanted.starts[user] : wanted.starts[user + 1]]
        pair = (before[place], after[place])
        shown = tuple(
            _list(title, own, other, later, ids["item"].ids)
            for title, own, other in (("before", *pair), ("after", *pair[::-1]))
        )
        note = f"{same[place]} of {k} items stand in both lists; {judged.seen[place]:,} items were known of this user"
        made.append(Lists(str(ids["user"].ids[user - 1]), note, shown))
    return Words(told, soft=True), *made


def _list(
    title: str, own: NDArray[np.int64], other: NDArray[np.int64], later: NDArray[np.int32], ids: tuple[str, ...]
) -> List:
    codes = [code for code in own[:SHOWN].tolist() if code]
    hits = tuple(bool(code in later) for code in codes)
    return List(title, tuple(ids[code - 1] for code in codes), hits, tuple(code not in other for code in codes))


def _of_rows(judged: Judged, split: Split, number: int) -> tuple[Block, ...]:
    clicks = "label" in judged.before.raw
    before, after = (side.raw["score"] for side in (judged.before, judged.after))
    before, after = (expit(before), expit(after)) if clicks else (before, after)
    names = [name for name in split.test.roles.categorical if name in split.vocabularies]
    names = [*(n for n in ("user", "item") if n in split.vocabularies), *names][:4]
    target = "label" if clicks else "rating"
    rows: list[tuple[Cell, ...]] = []
    for place in _spread(-np.abs(after - before), number).tolist():
        ids = [split.vocabularies[name].decode([int(split.test[name][place])])[0] or "unknown" for name in names]
        numbers = (Value(float(v[place]), "metric") for v in (before, after))
        rows.append((*ids, f"{split.test[target][place]:g}", *numbers))
    what = "probability" if clicks else "score"
    told = f"{len(rows)} rows of {len(before):,}, evenly from the one that changed most to the one that changed least."
    columns = (*names, target, f"{what} before", f"{what} after")
    return Words(told, soft=True), Table("Rows of the test part", columns, tuple(rows))


def _spread(keys: NDArray[np.generic], number: int) -> NDArray[np.int64]:
    """(n,) places, evenly over the order of the keys, the lowest first; ties by place."""
    order = np.argsort(keys, kind="stable")
    chosen = np.linspace(0, len(order) - 1, min(number, len(order))).round().astype(np.int64)
    return np.asarray(order[chosen], dtype=np.int64)
