"""Rows of a bucket as numbers, and what is said of them."""

import numpy as np
import polars as pl

from recprune.scale.pieces import array, of_shelves, table
from recprune.scale.preparing.ids import renumber, seen
from recprune.scale.preparing.job import PART, ROW
from recprune.scale.preparing.numbering import numbered


def done(job):
    said = [seen(job, bucket) for bucket in range(job.buckets)]
    for column in range(len(job.ids)):
        renumber(job, column)
    widths = {"tags": max(one["widths"]["tags"] for one in said)}
    return widths, [numbered(job, widths, bucket) for bucket in range(job.buckets)]


def rows_of(job, bucket):
    shelf = [job.place("numbered", bucket, "shelf")]
    return pl.concat([of_shelves(shelf, part) for part in range(len(job.source.parts))])


def test_every_bucket_has_the_codes_of_the_whole_and_lists_of_one_width(job):
    widths, _ = done(job)
    for bucket in range(job.buckets):
        rows = rows_of(job, bucket)
        ids = table(job.place("vocabulary", 0))["id"]
        mine = job.bucket("ids/0", bucket)["id"].to_list()
        assert sorted(set(ids.gather(rows["user"].unique() - 1))) == sorted(mine)
        assert rows["tags"].to_numpy().shape[1] == widths["tags"]


def test_counts_of_the_parts_and_of_what_is_missing_are_those_of_the_rows(job):
    _, said = done(job)
    for bucket, one in enumerate(said):
        rows = rows_of(job, bucket)
        assert one["rows"] == [int((rows[PART] == part).sum()) for part in range(3)]
        assert one["missing"]["city"] == int((rows["city"] == 0).sum())
        assert one["leaks"] == 0
        assert rows[ROW].is_sorted()


def test_the_codes_of_train_and_of_the_others_are_left_behind(job):
    done(job)
    rows = rows_of(job, 1)
    train = array(job.place("train/1", 1, "npy"))
    np.testing.assert_array_equal(train, np.unique(rows.filter(pl.col(PART) == 0)["item"]))
