"""Buckets whose ids are numbers of their own."""

import numpy as np

from recprune.scale.pieces import table
from recprune.scale.preparing.job import ROW
from recprune.scale.preparing.settle import settle


def test_a_bucket_keeps_its_rows_in_order_and_its_ids_by_length_and_bytes(job):
    for bucket in range(job.buckets):
        rows, ids = job.bucket("settled", bucket), job.bucket("ids/0", bucket)["id"].to_list()
        assert rows[ROW].is_sorted()
        assert ids == sorted(ids, key=lambda key: (len(key), key))
        assert set(rows["user"].unique()) == set(range(1, len(ids) + 1))


def test_lists_are_codes_that_rise_with_zeros_behind_them(job):
    tags = job.bucket("settled", 0)["tags"].to_numpy()
    there = tags > 0
    assert (there[:, :-1] >= there[:, 1:]).all()
    assert (np.diff(tags, axis=1)[there[:, 1:]] > 0).all()


def test_settling_again_gives_the_same_bytes(job):
    path = job.place("settled", 1)
    before = path.read_bytes()
    assert settle(job, 1)["rows"] == table(path).height
    assert path.read_bytes() == before
