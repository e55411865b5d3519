"""read(): a RecBole configuration and its atomic files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recprune.data.dataset import Roles
from recprune.data.formats import recbole as atomic
from recprune.data.log import Log, Rejected, clean
from recprune.errors import DataError
from recprune.integrations.recbole_split import part_of, way_of
from recprune.integrations.told import Told

__all__ = ["read"]

NAMES = {
    "user": ("USER_ID_FIELD", "user_id"),
    "item": ("ITEM_ID_FIELD", "item_id"),
    "rating": ("RATING_FIELD", "rating"),
    "label": ("LABEL_FIELD", "label"),
    "time": ("TIME_FIELD", "timestamp"),
}
"""Role -> the setting that names its column, and what it is without."""
READ = {
    *("data_path", "dataset", "load_col", "unload_col", "threshold", "eval_args", "benchmark_filename", "seed"),
    *("user_inter_num_interval", "item_inter_num_interval", "rm_dup_inter", "field_separator", "seq_separator"),
    *("normalize_all", "normalize_field"),
    *(setting for setting, _ in NAMES.values()),
}
OTHERWISE = (
    *("val_interval", "filter_inter_by_user_or_item", "additional_feat_suffix"),
    *("alias_of_user_id", "alias_of_item_id"),
)
"""Settings that change which rows or columns there are, and that recprune has not."""


def read(path: Path, said: Mapping[str, Any], folder: Path | None = None) -> Told:
    """What a configuration says. Raises DataError for settings that recprune cannot follow, and missing data."""
    odd = [name for name in OTHERWISE if said.get(name)]
    if odd or said.get("field_separator", "\t") != "\t" or said.get("seq_separator", " ") != " ":
        what = odd[0] if odd else "field_separator or seq_separator"
        raise DataError(f"{path}: {what} is not followed; read the log with `recprune prepare` instead", setting=what)
    name = str(said.get("dataset", path.stem))
    where = folder or path.parent / str(said.get("data_path", ".")) / name
    parts = _parts(path, said, where, name)
    logs = [_log(part, where / f"{name}.inter", said) for part in parts]
    unread = tuple(sorted(said.keys() - READ))
    if len(logs) == 1:
        return _parted(path, said, logs[0], unread)
    valid = logs[1] if len(logs) == 3 else None
    return Told(logs[0], logs[-1], valid, AS_IT_IS, unread=unread)


AS_IT_IS = {"duplicates": "all"}
"""Options of `clean` by which every row stays: parts that were made before are not filtered there either."""


def _parted(path: Path, said: Mapping[str, Any], log: Log, unread: tuple[str, ...]) -> Told:
    """The log filtered as it is said, and then parted row for row as RecBole parts it."""
    with _of(path):
        way = way_of(said.get("eval_args") or {}, int(said.get("seed", 2020)))
        cleaned = clean(log, **_cleaning(path, said))
        roles, frame = cleaned.roles, cleaned.frame.collect()
        if roles.time is not None and said.get("rm_dup_inter"):
            frame = frame.sort(roles.time, maintain_order=True)
        users = frame[str(roles.user)].to_physical().rank("dense").to_numpy()
        part = part_of(way, users, None if roles.time is None else _times(frame[roles.time], said))
    train, valid, test = (replace(cleaned, frame=frame.filter(part == number).lazy()) for number in range(3))
    valid, test = (replace(log, rejected=Rejected()) for log in (valid, test))
    return Told(train, test, valid if (part == 1).any() else None, AS_IT_IS, way=str(way), unread=unread)


def _times(column: pl.Series, said: Mapping[str, Any]) -> NDArray[np.float64]:
    """The times that rows are put in order by, brought to 0..1 where that is said, which is done first there."""
    time = column.to_numpy().astype(np.float64)
    if said.get("normalize_all") is not True and column.name not in (said.get("normalize_field") or ()):
        return time
    low, high = time.min(), time.max()
    return (time - low) / (high - low) if high > low else np.ones_like(time)


@contextmanager
def _of(path: Path) -> Iterator[None]:
    """Errors name the configuration."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{path}: {error}", path=str(path)) from error


def _parts(path: Path, said: Mapping[str, Any], where: Path, name: str) -> list[Path]:
    """The `.inter` files: one, or train, (validation) and test."""
    words = said.get("benchmark_filename") or [None]
    if not isinstance(words, list) or len(words) > 3:
        raise DataError(f"{path}: benchmark_filename names two or three parts, not {words!r}", path=str(path))
    files = [where / (f"{name}.inter" if word is None else f"{name}.{word}.inter") for word in words]
    absent = [str(file) for file in files if not file.is_file()]
    if absent:
        raise DataError(f"{path}: {absent[0]} is not there; --folder says where the atomic files lie", path=absent[0])
    return files


def _log(inter: Path, beside: Path, said: Mapping[str, Any]) -> Log:
    """One `.inter` file with the columns that are loaded."""
    names = {role: str(said.get(setting, usual)) for role, (setting, usual) in NAMES.items()}
    kinds = atomic.header(inter)
    there: dict[str, str | None] = {role: name if name in kinds else None for role, name in names.items()}
    if there["user"] is None or there["item"] is None:
        raise DataError(f"{inter}: no columns {names['user']!r} and {names['item']!r}: {', '.join(kinds)}")
    main = Roles(there["user"], there["item"], there["rating"], there["label"], there["time"])
    log = atomic.joined(inter, main, beside)
    loaded = _loaded(said)
    keep = {name for name in log.frame.collect_schema().names() if loaded is None or name in loaded}
    keep -= {name for unloaded in (said.get("unload_col") or {}).values() for name in unloaded}
    again = said.get("rm_dup_inter") is None
    return _thresholded(replace(log, roles=_only(log.roles, keep), repeats=again), said)


def _only(roles: Roles, keep: set[str]) -> Roles:
    """The roles of users and items, and of the columns that are loaded."""

    def those(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in names if name in keep)

    return replace(
        roles,
        rating=roles.rating if roles.rating in keep else None,
        label=roles.label if roles.label in keep else None,
        time=roles.time if roles.time in keep else None,
        categorical=those(roles.categorical),
        numeric=those(roles.numeric),
        multi=those(roles.multi),
        of_item=those(roles.of_item),
        of_user=those(roles.of_user),
    )


def _loaded(said: Mapping[str, Any]) -> set[str] | None:
    """Columns that load_col names, over all files; None for all."""
    columns = said.get("load_col", {"inter": [usual for _, usual in (NAMES["user"], NAMES["item"])]})
    return None if not columns else {name for names in columns.values() for name in names or ()}


def _thresholded(log: Log, said: Mapping[str, Any]) -> Log:
    """A label that says whether a number is high enough."""
    threshold = said.get("threshold")
    if not threshold:
        return log
    (column, least), *more = threshold.items()
    if more or not isinstance(least, int | float):
        raise DataError(f"threshold is one column and a number, not {threshold!r}", threshold=threshold)
    label = str(said.get("LABEL_FIELD", "label"))
    frame = log.frame.with_columns(pl.lit(1.0, dtype=pl.Float32).alias(label))
    return replace(log, frame=frame, roles=replace(log.roles, label=label, positive=f"{column} >= {least}"))


def _cleaning(path: Path, said: Mapping[str, Any]) -> dict[str, Any]:
    """Options of `clean`; every row stays where nothing else is said."""
    twice = said.get("rm_dup_inter")
    if twice not in (None, "first", "last"):
        raise DataError(f"{path}: rm_dup_inter is first or last, not {twice!r}", path=str(path))
    least = {side: _least(path, said.get(f"{side}_inter_num_interval")) for side in ("user", "item")}
    return {"duplicates": twice or "all", "min_user": least["user"], "min_item": least["item"]}


def _least(path: Path, interval: Any) -> int:
    """The fewest rows of "[5,inf)"; 0 where nothing is said."""
    if interval is None:
        return 0
    found = re.fullmatch(r"([\[(])\s*(\d+)\s*,\s*inf\s*[\])]", str(interval))
    if found is None:
        raise DataError(f"{path}: expected an interval like '[5,inf)', which has no upper end, not {interval!r}")
    return int(found[2]) + (found[1] == "(")
