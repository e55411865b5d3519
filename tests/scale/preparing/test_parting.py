"""Which rows are for what, over buckets, as in memory."""

from dataclasses import replace

import numpy as np
import pytest

from recprune.errors import DataError
from recprune.scale.pieces import put_array
from recprune.scale.preparing.ids import seen, staying
from recprune.scale.preparing.job import ROW
from recprune.scale.preparing.parting import edges_of_time, labels, put_drawn, ranked


def edges_of(job):
    said = [seen(job, bucket) for bucket in range(job.buckets)]
    times = [time for one in said for time in one["times"]]
    rows, span = sum(one["rows"] for one in said), (min(times), max(times))
    return edges_of_time(job, rows, span, lambda tallied: map(tallied, range(job.buckets)))


def test_the_moments_are_those_of_the_sorted_times(job):
    times = np.sort(np.concatenate([staying(job, bucket)["time"] for bucket in range(job.buckets)]))
    test, valid = edges_of(replace(job, way="time"))
    assert test == times[int(0.8 * len(times) + 1e-9)]
    assert valid == times[int(0.7 * len(times) + 1e-9)]


def test_a_share_of_nothing_begins_never(job):
    job = replace(job, way="time", test=0.0)
    put_array(job.folder / "edges.npy", np.array(edges_of(job)))
    found = np.concatenate([labels(job, bucket, staying(job, bucket)) for bucket in range(job.buckets)])
    assert set(found.tolist()) == {0, 1}


def test_rows_are_drawn_by_their_place_in_the_log(job):
    job = replace(job, way="random")
    said = [seen(job, bucket) for bucket in range(job.buckets)]
    of_part = np.sum([one["of part"] for one in said], axis=0).tolist()
    assert [ranked(job, part) for part in range(len(of_part))] == of_part
    put_drawn(job, of_part)
    frames = [staying(job, bucket) for bucket in range(job.buckets)]
    parts = np.concatenate([labels(job, bucket, frame) for bucket, frame in enumerate(frames)])
    order = np.argsort(np.concatenate([frame[ROW] for frame in frames]))
    n = len(order)
    drawn = np.random.default_rng(job.seed).permutation(n)
    assert set(np.flatnonzero(parts[order] == 2)) == set(drawn[: -(-2 * n // 10)])


def test_without_times_only_a_random_split_is_possible(job):
    with pytest.raises(DataError, match="random split"):
        labels(replace(job, way="user"), 0, staying(job, 0).drop("time"))
