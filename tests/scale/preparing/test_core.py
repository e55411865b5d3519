"""The k-core over buckets, against the one in memory."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from recprune.data.keep import enough
from recprune.scale.pieces import array, table
from recprune.scale.preparing.core import core, without_rare
from recprune.scale.preparing.ids import places, staying
from recprune.scale.preparing.job import ROW


@pytest.mark.parametrize(("user", "item"), [(4, 4), (9, 0), (0, 12), (30, 30)])
def test_the_rows_that_stay_are_those_of_the_core_in_memory(job, user, item):
    job = replace(job, least_user=user, least_item=item)
    frames = [job.bucket("settled", bucket) for bucket in range(job.buckets)]
    joined = [
        np.concatenate([places(job, side, bucket)[frame[name].to_numpy()] for bucket, frame in enumerate(frames)])
        for side, name in enumerate(("user", "item"))
    ]
    wanted = pl.concat([frame[ROW] for frame in frames]).filter(pl.Series(enough(joined, [user, item]))).to_list()
    items = table(job.place("merged", 1)).height
    left = core(job, items, lambda name, function: [function(bucket) for bucket in range(job.buckets)])
    found = pl.concat([staying(job, bucket)[ROW] for bucket in range(job.buckets)]).to_list()
    assert found == wanted
    assert left == len(wanted)


def test_a_turn_that_is_made_twice_gives_the_same(job):
    job = replace(job, least_user=5, least_item=5)
    core(job, table(job.place("merged", 1)).height, lambda name, f: [f(b) for b in range(job.buckets)])
    path = job.folder / "stays" / "0001" / "000002.npy"
    before = array(path)
    assert without_rare(job, 1, 2) == before.sum()
    assert (array(path) == before).all()
