"""prepare_large(): `recprune.recipe.prepare` for logs that do not fit into memory, here or on a cluster."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recprune.atomic import lock, replace_folder
from recprune.data.dataset import Roles
from recprune.data.keep import policy_of
from recprune.data.log import Log, Rejected, none_left
from recprune.data.on_disk import on_disk
from recprune.data.read import read
from recprune.data.split import refuse, shares
from recprune.data.store import ASIDE, PARTS, refuse_others
from recprune.discover import load
from recprune.errors import DataError
from recprune.recipe.prepare import SplitBy, keep, prepare, way_of
from recprune.recipe.stages import Stage, silent
from recprune.scale import engines
from recprune.scale.engines import Engine
from recprune.scale.pieces import put_array, remembered
from recprune.scale.preparing.core import core
from recprune.scale.preparing.gathering import gathered, only_outside, rejected, written
from recprune.scale.preparing.ids import located, merge, renumber, seen
from recprune.scale.preparing.job import Job
from recprune.scale.preparing.numbering import numbered
from recprune.scale.preparing.parting import edges_of_time, put_drawn, ranked
from recprune.scale.preparing.scatter import scatter
from recprune.scale.preparing.settle import settle
from recprune.scale.preparing.source import Source, source_of, source_of_log
from recprune.scale.resumed import resumed, workplace

__all__ = ["Scale", "prepare_large"]

OF_PART, OF_BUCKET = 16, 4
"""Shares of a worker's memory: a part and a bucket take several times their own size while they are worked on."""
AT_ONCE = 3
"""Times the size of a log that its way in memory takes: a log that fits is not parted by the engine local."""
SPARED = ("log.parquet", "aside.arrow")
"""Files that stand in the folder of work before it is known which work it is: a log that had to be read whole."""
LAYOUT = 2
"""Of the files that stages leave: what another one left is not gone on from."""
LEAST = 1 << 12
MOST_BUCKETS = 4096


@dataclass(frozen=True, slots=True)
class Scale:
    """engine: where parts are worked on, a file of `recprune.scale.engines`. workers: how many at a time. memory: bytes
    that each of them may take, about. folder: where stages leave their work, seen by all workers; None: beside the
    result. What lies there is removed at the end, and gone on from where the end was not reached."""

    engine: str = "local"
    workers: int = 1
    memory: int = 1 << 30
    folder: Path | None = None


def prepare_large(
    source: str | Path | Log,
    out: str | Path,
    *,
    format: str | None = None,
    roles: Roles | None = None,
    options: Mapping[str, Any] | None = None,
    cleaning: Mapping[str, Any] | None = None,
    by: SplitBy | None = None,
    scale: Scale | None = None,
    stage: Stage = silent,
) -> dict[str, Any]:
    """Clean, encode and split a log, and write the prepared folder: the numbers are those that `prepare` and `keep` of
    `recprune.recipe.prepare` give, whatever the engine, the number of workers and their memory.

    source: a file or a folder, read in parts where it is Parquet or plain UTF-8 text with separators, whole and in one
    go otherwise; or a log. format, roles, options: as `read` takes them. cleaning: the options of `clean`. The ids of a
    column, one byte a row for a random split, and the rows of the users of one bucket are all that is held at once; but
    the engine local prepares a log in memory, and not in parts, where a third of the memory given holds it.
    Returns the facts that `Prepared.facts` has. Raises DataError as `prepare` does, ExtensionError for an engine that
    there is not; what was done until then is gone on from by the next call with the same arguments.
    """
    scale, by, out = scale or Scale(), by or SplitBy(), Path(out)
    refuse_others(out)
    folder = workplace(scale.folder, out, SPARED)
    with lock(folder), load(engines, scale.engine)(scale.workers) as engine:
        found, log_of = _source(source, folder, max(LEAST, scale.memory // OF_PART), format, roles, options or {})
        if scale.engine == "local" and AT_ONCE * found.size <= scale.memory:
            facts = _at_once(log_of(), out, cleaning, by, stage)
        else:
            job = _job(found, folder, cleaning or {}, by, scale)
            facts = _Street(job, engine, stage).walk(out)
    shutil.rmtree(folder)
    return facts


def _at_once(log: Log, out: Path, cleaning: Mapping[str, Any] | None, by: SplitBy, stage: Stage) -> dict[str, Any]:
    prepared = prepare(log, cleaning=cleaning, by=by, stage=stage)
    keep(prepared, out)
    return prepared.facts()


def _source(
    source: str | Path | Log,
    folder: Path,
    part: int,
    format: str | None,
    roles: Roles | None,
    options: Mapping[str, Any],
) -> tuple[Source, Callable[[], Log]]:
    """What is to be prepared in parts, and the log as a whole, which is read once where it has to be."""
    if not isinstance(source, Log):
        found = source_of(source, part, format, roles, **options)
        if found is not None:
            return found, partial(read, source, format, roles, **options)
        source = read(source, format, roles, **options)
    log = source
    return source_of_log(log, folder, part), lambda: log


def _job(source: Source, folder: Path, cleaning: Mapping[str, Any], by: SplitBy, scale: Scale) -> Job:
    """The job; a folder that holds another one is emptied."""
    said = dict(cleaning)
    least, way = int(said.pop("k_core", 0) or 0), way_of(by, source.roles)
    if way != "last":
        shares(by.valid, by.test)
    buckets = min(MOST_BUCKETS, max(scale.workers, -(-source.size // max(LEAST, scale.memory // OF_BUCKET))))
    job = Job(
        source=source,
        folder=folder,
        buckets=buckets,
        policy=policy_of(said.pop("duplicates", None), source.roles, repeats=source.repeats),
        least_user=max(least, int(said.pop("min_user", 0) or 0)),
        least_item=max(least, int(said.pop("min_item", 0) or 0)),
        since=said.pop("since", None),
        until=said.pop("until", None),
        way=way,
        valid=by.valid,
        test=by.test,
        seed=by.seed,
    )
    if said:
        raise DataError(f"clean has no option {next(iter(said))!r}", option=next(iter(said)))
    if source.roles.user is None and source.roles.label is None and way in ("user", "last"):
        raise DataError(f"a split by {way} needs a column with the role user", column="user")
    _go_on(job)
    return job


def _go_on(job: Job) -> None:
    facts = {name: value for name, value in asdict(job).items() if name not in ("source", "folder")}
    facts |= {"source": job.source.facts(), "polars": pl.__version__, "layout": LAYOUT}
    resumed(job.folder, facts, SPARED)


@dataclass(frozen=True, slots=True)
class _Street:
    """The stages, one after the other; each is made once, also by a run that goes on."""

    job: Job
    engine: Engine
    stage: Stage

    def walk(self, out: Path) -> dict[str, Any]:
        job, parts, columns = self.job, len(self.job.source.parts), len(self.job.ids)
        with self.stage("read") as say:
            read = self._each("scatter", partial(scatter, job), parts)
            left_out = _summed([dict(job.source.counts), *(one["counts"] for one in read)])
            if not sum(one["rows"] for one in read):
                raise DataError(f"{job.source.path}: no row can be used ({left_out or 'it has none'})", counts=left_out)
            say(f"{sum(one['rows'] for one in read):,} rows in {parts:,} parts")
        with self.stage("clean") as say:
            gone = self._clean()
            say(f"{gone.pop('stay'):,} rows stay")
        with self.stage("encode and split") as say:
            kept = self._buckets("seen", partial(seen, job))
            ids = [one["ids"] for one in self._each("renumber", partial(renumber, job), columns)]
            self._prepare_labels(kept)
            widths = {name: max(one["widths"][name] for one in kept) for name in kept[0]["widths"]}
            done = self._buckets("numbered", partial(numbered, job, widths))
            rows = dict(zip(PARTS, np.sum([one["rows"] for one in done], axis=0).tolist(), strict=True))
            self._check(rows["train"], done)
            say(f"{job.way}: {rows['train']:,} train, {rows['valid']:,} validation, {rows['test']:,} test")
        with self.stage("write"):
            self._each("gathered", partial(gathered, job), parts)
            self._forget("numbered")
            with on_disk(out):
                replace_folder(out, lambda fresh: self._write(rows, [one["lines"] for one in read], fresh))
        outside = {name: only_outside(job, column, ids[column]) for column, name in enumerate(job.ids)}
        return {
            "split": job.way,
            "rows": rows,
            "ids": dict(zip(job.ids, ids, strict=True)),
            "columns": list(job.names),
            "only outside train": {name: n for name, n in outside.items() if n},
            "missing": _in_order(_summed(one["missing"] for one in done), list(job.names)),
            "left out": dict(Rejected(left_out).counted(**gone).counts),
            **({"sources": list(job.source.origin)} if job.source.origin else {}),
        }

    def _clean(self) -> dict[str, int]:
        """What left by which rule, and how many rows stay."""
        job = self.job
        settled = self._buckets("settle", partial(settle, job))
        self._forget("scatter")
        gone = _summed(one["counts"] for one in settled)
        rows = left = sum(one["rows"] for one in settled)
        ids = self._each("merge", partial(merge, job), len(job.ids))
        self._buckets("located", partial(located, job))
        sides = {"user": job.least_user, "item": job.least_item}
        if any(least > 1 and name in job.names for name, least in sides.items()):
            items = ids[job.ids.index("item")]["ids"] if "item" in job.ids else 0
            left = core(job, items, self._buckets)
        gone["rare_user_or_item"] = rows - left
        if not left:
            raise none_left(job.source.path, gone)
        return {**gone, "stay": left}

    def _prepare_labels(self, kept: list[dict[str, Any]]) -> None:
        """Find what all buckets have to know to part their rows, of what `seen` says of each."""
        job, rows = self.job, sum(one["rows"] for one in kept)
        edges_at = job.folder / "edges.npy"
        if job.way == "time" and not edges_at.is_file():
            times = [time for one in kept for time in one["times"]]
            span = (min(times), max(times))
            edges = edges_of_time(job, rows, span, lambda tallied: self.engine.map(tallied, range(job.buckets)))
            put_array(edges_at, np.array(edges, dtype=np.int64))
            self._forget("times")
        if job.way == "random":
            of_part = np.sum([one["of part"] for one in kept], axis=0).tolist()
            self._each("ranked", partial(ranked, job), len(of_part))
            put_drawn(job, of_part)

    def _check(self, train: int, done: list[dict[str, Any]]) -> None:
        labels = sorted({label for one in done for label in one["labels"]}) if "label" in self.job.names else None
        refuse(train, labels, 0 if self.job.source.repeats else sum(one["leaks"] for one in done))

    def _write(self, rows: dict[str, int], lines: list[int], folder: Path) -> None:
        written(self.job, rows, folder)
        rejected(self.job, lines, folder / ASIDE)

    def _buckets(self, name: str, function: Callable[[int], Any]) -> list[Any]:
        return self._each(name, function, self.job.buckets)

    def _each(self, name: str, function: Callable[[int], Any], count: int) -> list[Any]:
        done = self.job.folder / "done" / name
        return list(self.engine.map(partial(remembered, done, function), range(count)))

    def _forget(self, stage: str) -> None:
        """Remove what no later stage reads."""
        shutil.rmtree(self.job.folder / stage, ignore_errors=True)


def _summed(counts: Any) -> dict[str, int]:
    out: dict[str, int] = {}
    for one in counts:
        for name, count in one.items():
            out[name] = out.get(name, 0) + count
    return out


def _in_order(counts: Mapping[str, int], names: list[str]) -> dict[str, int]:
    return {name: counts[name] for name in names if name in counts}
