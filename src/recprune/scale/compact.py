"""compact_shards(): a table that lies in several files, cut as one, each file by a worker of its own.

Which rows stay is said by one threshold over all shards. It is found by histograms of the scores' bits that are added
up, 65,536 counts a shard and round, in two rounds; of equal scores the lower row leaves first, counted over the shards
in their order. No score and no row leaves its shard. A run that was cut off leaves the scores and the shards that are
done, and the same one goes on from there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from safetensors import safe_open

from recprune.atomic import lock, replace_folder, replacing
from recprune.data.store import sha256
from recprune.discover import load
from recprune.errors import ArtifactError, BudgetError
from recprune.large.blocks import BLOCK, blocks
from recprune.large.compact import NARROW, SCORE, Compacted, Cut, measured, staying, written
from recprune.large.radix import tally
from recprune.large.table import Table, read_table
from recprune.large.threshold import Threshold, ordered, threshold_among
from recprune.scale import engines
from recprune.scale.engines import Engine
from recprune.scale.pieces import remembered
from recprune.scale.preparing.run import Scale
from recprune.scale.resumed import resumed, workplace

__all__ = ["SHARDS", "Shards", "compact_shards", "restricted_ids"]

SHARDS = "shards.json"
"""What a folder of shards says of itself: the name of the matrix, and of every file its rows."""
SHARD = re.compile(r"shard-\d{5,}-of-\d{5,}\.safetensors")


@dataclass(frozen=True, slots=True)
class Shards:
    """A table in files, one behind the other. scores: a .npy file of each, or None. first: as in `compact`. place: a
    folder for what is made on the way, seen by all workers."""

    tables: tuple[Table, ...]
    scores: tuple[str | None, ...]
    first: int
    place: str

    def facts(self) -> dict[str, Any]:
        """What makes these shards these shards: files, their sizes and times."""
        files = [*(str(table.path) for table in self.tables), *filter(None, self.scores)]
        there = [(path, *(getattr(os.stat(path), name) for name in ("st_size", "st_mtime_ns"))) for path in files]
        return {"files": there, "tables": [asdict(table) for table in self.tables], "first": self.first}

    @property
    def before(self) -> list[int]:
        """Rows in front of each shard, and of all."""
        return [0, *accumulate(table.rows for table in self.tables)]

    def first_of(self, number: int) -> int:
        """Rows at the beginning of a shard that stay whatever they are worth."""
        return min(max(self.first - self.before[number], 0), self.tables[number].rows)

    def scores_of(self, number: int) -> tuple[Path, int]:
        """The file of a shard's scores, and where they begin. Raises ArtifactError where those given are none."""
        given, beside = self.scores[number], Path(self.place) / "scores" / f"{number:06}.scores"
        return (beside, 0) if given is None else measured(self.tables[number], given, beside)


def compact_shards(
    sources: Sequence[str | Path],
    out: str | Path,
    rows: int,
    *,
    scores: Sequence[str | Path] | None = None,
    name: str | None = None,
    first: int = 1,
    scale: Scale | None = None,
) -> list[Compacted]:
    """Write the shards of a table again with exactly so many rows of all of them, to a folder, whole or not at all.

    sources: safetensors files with the rows of one matrix, in their order. rows, scores, name, first: as in
    `recprune.large.compact`; scores one file a shard. The rows that stay are those of `compact` on the table in one
    file, to the bit, whatever the shards; `NAME.rows` says which rows of the whole table they were. A shard that keeps
    no row has no file. What is done lies in scale.folder, `.NAME.work` beside the result where that is None, until all
    is: the next call with the same arguments goes on from there. Raises ArtifactError and BudgetError as `compact`
    does, for shards that are none of one table, and for a folder that holds something else.
    """
    scale, out = scale or Scale(), Path(out)
    tables = _alike([read_table(source, name) for source in sources])
    given = tuple(map(str, scores)) if scores is not None else (None,) * len(tables)
    total = sum(table.rows for table in tables)
    if len(given) != len(tables):
        raise ArtifactError(f"{len(given)} files of scores for {len(tables)} shards")
    if not max(first, 1) <= rows <= total:
        raise BudgetError(f"{rows:,} rows cannot stay of {total:,}, {first:,} of which stay whatever they are worth")
    _refuse_others(out)
    folder = workplace(scale.folder, out)
    with lock(folder), load(engines, scale.engine)(scale.workers) as engine:
        shards = Shards(tables, given, first, str(folder.resolve()))
        resumed(folder, {**shards.facts(), "rows": rows})
        try:
            found = _written(shards, _cuts(shards, rows - first, engine), engine)
        except BudgetError:  # the same would come of it again
            shutil.rmtree(folder)
            raise
        replace_folder(out, lambda fresh: _put_together(tables[0].name, found, folder, fresh))
        shutil.rmtree(folder)
    return [Compacted(out / str(one.pop("file")), **one) for one in found]


def restricted_ids(ids: str | Path, folder: str | Path, out: str | Path) -> int:
    """Write the ids that stay, of a Parquet file with a column `id` in the order of their codes, as `prepare` writes
    it: how many. folder: what `compact_shards` wrote. Row r of the table is code r, and row 0 has no id. The ids of one
    shard are held at a time."""
    said = json.loads((Path(folder) / SHARDS).read_text(encoding="utf-8"))
    parts, whole = [], pl.scan_parquet(ids, glob=False)
    for shard in said["files"]:
        with safe_open(Path(folder) / shard["file"], framework="numpy") as file:
            codes = file.get_tensor(f"{said['name']}.rows")
        codes = codes[codes > 0]
        begin = int(codes[0]) - 1 if len(codes) else 0
        some = whole.slice(begin, int(codes[-1]) - begin if len(codes) else 0).collect()
        parts.append(some[codes - 1 - begin].lazy())
    with replacing(out) as fresh:
        pl.concat(parts).sink_parquet(fresh)
    return int(pl.scan_parquet(out, glob=False).select(pl.len()).collect().item())


def _refuse_others(out: Path) -> None:
    """Raise ArtifactError where writing would remove what is no shard of ours."""
    names = {path.name for path in out.iterdir()} if out.is_dir() else set()
    others = sorted(name for name in names - {SHARDS} if not SHARD.fullmatch(name))
    if out.is_file() or others or (names and SHARDS not in names):
        why = f"holds {others[0]!r}, which is no shard of ours" if others else "holds no shards of ours"
        raise ArtifactError(f"{out} is there and {why}; name another folder", path=str(out))


def _alike(tables: list[Table]) -> tuple[Table, ...]:
    kinds = {(table.name, table.dtype, table.columns) for table in tables}
    if len(kinds) != 1:
        raise ArtifactError(f"these are no shards of one table: {sorted(kinds) or 'there is none'}")
    return tuple(tables)


def _cuts(shards: Shards, keep: int, engine: Engine) -> list[Cut]:
    """What stays of every shard."""
    numbers = range(len(shards.tables))
    list(engine.map(partial(remembered, Path(shards.place) / "done" / "score", partial(_score, shards)), numbers))
    if not keep:
        return [Cut(shards.first_of(n), None, 0, shards.before[n]) for n in numbers]
    limit = threshold_among(lambda known, shift: engine.map(partial(_tallied, shards, known, shift), numbers), keep)
    passed = [0, *accumulate(engine.map(partial(_equal, shards, limit), numbers))]
    return [Cut(shards.first_of(n), limit, passed[n], shards.before[n]) for n in numbers]


def _written(shards: Shards, cuts: list[Cut], engine: Engine) -> list[dict[str, Any]]:
    """What is said of every shard of which rows stay."""
    said = engine.map(partial(_once, Path(shards.place) / "done" / "cut", shards, cuts), range(len(cuts)))
    return [one for one in said if one["rows"]]


def _put_together(name: str, found: list[dict[str, Any]], folder: Path, fresh: Path) -> None:
    """The files of all shards in one folder; they stay where they were made until it is whole."""
    for one in found:
        made, place = folder / one["file"], fresh / one["file"]
        try:
            os.link(made, place)
        except OSError:  # another disk, or one without links
            shutil.copyfile(made, place)
    files = [{"file": one["file"], "rows": one["rows"], "sha256": one["sha256"]} for one in found]
    (fresh / SHARDS).write_text(json.dumps({"name": name, "files": files}, indent=1), encoding="utf-8")


def _once(done: Path, shards: Shards, cuts: list[Cut], number: int) -> dict[str, Any]:
    """What `_cut` says of a shard, which is cut again only where its file is not what was said of it."""
    said = done / f"{number:06}.json"
    if said.is_file():
        one = json.loads(said.read_text(encoding="utf-8"))
        file = Path(shards.place) / one["file"]
        if one["rows"] and not (file.is_file() and sha256(file) == one["sha256"]):
            said.unlink()
    made: dict[str, Any] = remembered(done, partial(_cut, shards, cuts), number)
    return made


def _score(shards: Shards, number: int) -> None:
    """Measure a shard, or look at the scores that are given."""
    path, _ = shards.scores_of(number)
    if shards.scores[number] is None:
        path.parent.mkdir(exist_ok=True)
        with replacing(path) as fresh:
            measured(shards.tables[number], None, fresh)


def _keys(shards: Shards, number: int) -> Any:
    """The keys of a shard's scores, but of those rows that stay anyhow, in blocks."""
    (path, begin), first = shards.scores_of(number), shards.first_of(number)
    rows = shards.tables[number].rows - first
    if rows:
        for scores in blocks(path, SCORE, (rows,), begin + first * SCORE.itemsize, BLOCK // NARROW):
            yield ordered(scores)


def _tallied(shards: Shards, known: int, shift: int, number: int) -> NDArray[np.int64]:
    return sum((tally(keys, known, shift) for keys in _keys(shards, number)), np.zeros(1 << 16, dtype=np.int64))


def _equal(shards: Shards, limit: Threshold, number: int) -> int:
    return sum(int(np.count_nonzero(keys == limit.key)) for keys in _keys(shards, number))


def _cut(shards: Shards, cuts: list[Cut], number: int) -> dict[str, Any]:
    """Write what stays of a shard: its file, and what `Compacted` says of it."""
    table, cut, scores = shards.tables[number], cuts[number], shards.scores_of(number)
    rows = sum(int(stays.sum()) for stays in staying(scores, table, cut, BLOCK // NARROW // 4))
    path = Path(shards.place) / f"shard-{number:05}-of-{len(cuts):05}.safetensors"
    size, digest = 0, ""
    if rows:
        with replacing(path) as fresh:
            size, digest = written(table, scores, cut, rows, fresh)
    facts = {"before": table.rows, "rows": rows, "columns": table.columns, "bytes": size, "sha256": digest}
    return {"file": path.name, **facts}
