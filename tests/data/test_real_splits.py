"""Splits that others published, and the last items of real sequences: nothing is shared, nothing is lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from recprune.data.encode import encode
from recprune.data.log import clean
from recprune.data.read import read, read_parts
from recprune.data.split import only_outside_train, split_by_user_time, split_given, split_last

DATA = Path(os.environ.get("RECPRUNE_DATA", Path(__file__).parents[3] / "shared" / "data"))

pytestmark = pytest.mark.skipif(
    not (DATA / "README.md").is_file(), reason="real data: RECPRUNE_DATA names no folder with it"
)


def test_the_split_of_gowalla_shares_no_pair_and_its_test_knows_every_user_and_item() -> None:
    parts = read_parts(DATA / "gowalla")
    split = split_given(parts["train"], parts["test"])
    assert (len(split.train), len(split.test)) == (810_128, 217_242)
    assert only_outside_train(split) == {"user": 0, "item": 0}


def test_31_test_films_of_the_lightgcnpp_split_have_no_train_pair_and_keep_their_codes() -> None:
    parts = read_parts(DATA / "ml-1m")
    split = split_given(parts["train"], parts["test"])
    assert only_outside_train(split)["item"] == 31
    assert split.test["item"].min() > 0


def test_the_last_item_of_a_sequence_is_test_and_the_one_before_it_validation() -> None:
    log = clean(read(DATA / "amazon-beauty-seq"))
    split = split_last(encode(log), repeats=log.repeats)
    assert (len(split.test), len(split.valid), len(split.train)) == (22_363, 22_363, 198_502 - 2 * 22_363)
    items, first = split.vocabularies["item"], split.vocabularies["user"].encode(["1"])[0]
    parts = [items.decode(part["item"][part["user"] == first]) for part in (split.train, split.valid, split.test)]
    assert parts == [["1", "2", "3"], ["4"], ["5"]]


def test_the_last_fifth_of_each_user_of_ml_100k_has_the_size_that_others_measured_on() -> None:
    split = split_by_user_time(encode(clean(read(DATA / "ml-100k", fields=False))), test=0.2, valid=0.0)
    assert (len(split.train), len(split.test)) == (79_619, 20_381)
    assert only_outside_train(split)["item"] == 71
