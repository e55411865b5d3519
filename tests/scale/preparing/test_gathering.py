"""Rows back in their order, and ids that train does not know."""

import numpy as np
import polars as pl

from recprune.data.store import PARTS
from recprune.scale.pieces import put_array, put_shelf, table
from recprune.scale.preparing.gathering import gathered, only_outside
from recprune.scale.preparing.job import PART, ROW, WIDTH


def test_rows_of_a_part_go_back_to_where_they_stood(job):
    rng = np.random.default_rng(0)
    rows = rng.permutation(np.concatenate([np.arange(5), (1 << WIDTH) + np.arange(4)]))
    frame = pl.DataFrame({"x": rows * 2, ROW: rows, PART: (rows % 3).astype(np.int8)})
    for bucket, some in enumerate((frame[:4], frame[4:])):
        some = some.sort(ROW)
        put_shelf(job.place("numbered", bucket, "shelf"), some, some[ROW].to_numpy() >> WIDTH, 2)
    assert [gathered(job, part) for part in range(2)] == [5, 4]
    for number, name in enumerate(PARTS):
        found = pl.concat([table(job.place(name, part)) for part in range(2)])
        wanted = np.sort(rows[rows % 3 == number])
        assert found.columns == ["x"]
        assert found["x"].to_list() == (wanted * 2).tolist()


def test_an_id_is_outside_train_where_no_bucket_has_it_there(job):
    for bucket in range(job.buckets):
        put_array(job.place("train/0", bucket, "npy"), np.array([1, 2 + bucket]))
        put_array(job.place("other/0", bucket, "npy"), np.array([0, 4, 5 + bucket]))
    assert only_outside(job, 0, 9) == 3
