"""Parts of a log in order of their buckets."""

import polars as pl

from recprune.data.read import read
from recprune.scale.pieces import of_shelves, table
from recprune.scale.preparing.job import ROW
from recprune.scale.preparing.scatter import scatter


def test_every_row_stands_in_one_part_with_a_number_that_rises_with_its_place(job):
    shelves = job.all_of("scatter", "shelf")
    rows = pl.concat([of_shelves(shelves, bucket) for bucket in range(job.buckets)]).sort(ROW)
    assert rows[ROW].is_unique().all()
    whole = read(job.source.path, roles=job.source.roles).frame.select("user", "item", "at").collect()
    assert rows.select("user", "item", "at").equals(whole)


def test_a_user_is_whole_in_one_bucket(job):
    shelves = job.all_of("scatter", "shelf")
    users = [set(of_shelves(shelves, bucket)["user"]) for bucket in range(job.buckets)]
    assert all(users)
    assert sum(map(len, users)) == len(set().union(*users))


def test_what_cannot_be_used_is_counted_and_stands_aside_with_its_line(job):
    said = [scatter(job, part) for part in range(len(job.source.parts))]
    assert sum(sum(one["counts"].values()) for one in said) == 3
    lines, before = [], 0
    for part, one in enumerate(said):
        aside = job.place("aside", part)
        lines += [line + before for line in table(aside)["line"]] if aside.is_file() else []
        before += one["lines"]
    assert lines == read(job.source.path, roles=job.source.roles).rejected.rows.collect()["line"].to_list()
