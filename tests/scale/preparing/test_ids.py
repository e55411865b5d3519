"""Which ids there are, over all buckets, and which are left."""

import numpy as np

from recprune.data.encode import encode
from recprune.data.log import clean
from recprune.data.read import read
from recprune.scale.pieces import array, put_array, table
from recprune.scale.preparing.ids import places, renumber, seen, staying


def test_ids_of_all_buckets_are_those_of_the_log_in_the_order_of_a_vocabulary(job):
    wanted = encode(clean(read(job.source.path, roles=job.source.roles))).vocabularies
    for column, name in enumerate(job.ids):
        assert tuple(table(job.place("merged", column))["id"]) == wanted[name].ids


def test_an_id_of_a_bucket_is_found_at_its_place(job):
    every = table(job.place("merged", 1))["id"]
    for bucket in range(job.buckets):
        mine = job.bucket("ids/1", bucket)["id"].to_list()
        assert every.gather(places(job, 1, bucket)[1:] - 1).to_list() == mine


def test_ids_that_left_have_no_code_and_the_others_count_on(job):
    for bucket in range(job.buckets):
        codes = job.bucket("settled", bucket)["item"].to_numpy()
        stays = places(job, 1, bucket)[codes] != 2
        put_array(job.folder / "stays" / "0000" / f"{bucket:06}.npy", stays)
        assert seen(job, bucket)["rows"] == stays.sum() == staying(job, bucket).height
    before = table(job.place("merged", 1))["id"].to_list()
    assert renumber(job, 1) == {"ids": len(before) - 1}
    codes = array(job.place("codes", 1, "npy"))
    assert codes[:4].tolist() == [0, 1, 0, 2]
    assert codes.max() == np.count_nonzero(codes)
    assert table(job.place("vocabulary", 1))["id"].to_list() == [before[0], *before[2:]]
