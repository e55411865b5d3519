"""What it costs to cut and to train tables, in bytes, from shapes alone: a table of 100 GB is planned on paper."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from recprune.large.blocks import BLOCK
from recprune.large.compact import NARROW, ROW, SCORE
from recprune.tracing.site import Kind, Survey

__all__ = ["Cost", "Step", "compact_cost", "step_cost", "tables_cost"]

COUNTS, ROUNDS = (1 << 16) * 8, 2
"""Bytes of one histogram, and how many of them a shard sends."""
PASSES = 6
"""How often scores are read where rows are chosen by them: a histogram each round, ties, and three times while rows
are counted and written."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Bytes of all workers together: read from and written to files, and sent between machines. memory: of one worker,
    beside Python and its libraries. workers: those who share the work."""

    read: int
    written: int
    sent: int
    memory: int
    workers: int = 1

    @property
    def each(self) -> int:
        """Bytes that go between files and one worker, where shards are alike."""
        return -(-(self.read + self.written) // self.workers)


@dataclass(frozen=True, slots=True)
class Step:
    """Bytes of one worker in one step of training: sent to the others, and held by it."""

    sent: int
    memory: int


def compact_cost(
    rows: int,
    columns: int,
    kept: int,
    *,
    shards: int = 1,
    workers: int = 1,
    itemsize: int = 4,
    scored: bool = False,
    first: int = 1,
) -> Cost:
    """What `compact_shards` costs for a table of `rows` rows of `columns` numbers of `itemsize` bytes, of which `kept`
    stay. scored: scores are given, and need not be measured. first: as there. Headers of files, about 250 bytes a
    shard, are not counted.

    >>> cost = compact_cost(390_625_000, 64, 78_125_000, shards=100, workers=10)
    >>> cost.read, cost.written, cost.sent, cost.each
    (209374999988, 22187500000, 104858400, 23156249999)
    """
    row = columns * itemsize
    scores, chosen = rows * SCORE.itemsize, kept > first
    asked = (rows - first) * SCORE.itemsize * (PASSES // 2) * chosen + scores * (PASSES // 2)
    read = (0 if scored else rows * row) + asked + rows * row
    written = (0 if scored else scores) + kept * (row + ROW.itemsize)
    sent = shards * (ROUNDS * COUNTS + 8) * chosen
    return Cost(read, written, sent, _held(-(-rows // shards), row), min(workers, shards))


def _held(rows: int, row: int) -> int:
    """Bytes that a worker holds of a shard: three blocks of rows (one that is read, one that is looked at, and what
    stays of it), eight times a block of scores, for what is made of them, and a few histograms."""
    scores = BLOCK // NARROW // SCORE.itemsize
    return 3 * min(BLOCK, min(rows, scores) * row) + 8 * min(rows, scores) * SCORE.itemsize + 5 * COUNTS


def tables_cost(survey: Survey, share: float, *, shards: int = 1, workers: int = 1) -> dict[str, Cost]:
    """Table -> what it costs to cut that share of the ids of every table of a survey, which may be of a model without
    numbers (`recprune.tracing.weightless`)."""
    cuts = {cut.tensor for site in survey.sites if site.kind is Kind.ID for cut in site.cuts}
    found = {}
    for name in sorted(cuts):
        if len(survey.shapes[name]) == 2:
            rows, columns = survey.shapes[name]
            kept, size = rows - _leaving(survey, name, share), survey.bytes_per_entry[name]
            found[name] = compact_cost(rows, columns, kept, shards=shards, workers=workers, itemsize=size)
    return found


def step_cost(rows: int, columns: int, asked: Iterable[int], *, rank: int = 0, itemsize: int = 4) -> Step:
    """What one step of worker `rank` costs for a table that lies in shards (`recprune.training.sharded`).

    asked: of each worker the number of different ids that this one wants of it; as a rule each wants as many of this
    one. Ids go out (8 bytes), their rows come back, and the gradients of those rows go out again. The shard is held
    four times: its numbers, their gradients, and two means of AdamW.
    """
    wants = list(asked)
    others = sum(wants) - wants[rank]
    ids, numbers = others * 8 + len(wants) * 8, others * columns * itemsize
    shard = -(-rows // len(wants)) * columns * itemsize
    return Step(ids + 2 * numbers, 4 * shard + 2 * sum(wants) * columns * itemsize)


def _leaving(survey: Survey, table: str, share: float) -> int:
    """How many rows of a table leave where that share of every site's ids does."""
    sites = [site for site in survey.sites if site.kind is Kind.ID]
    return sum(round(site.size * share) for site in sites if any(cut.tensor == table for cut in site.cuts))
