"""Ids that train hardly knows count as unknown, in every part."""

from dataclasses import replace

import numpy as np
import pytest

from recprune.data.bins import binned
from recprune.data.pasts import with_pasts
from recprune.data.rare import without_rare
from recprune.data.store import load_split, save_split
from recprune.errors import DataError
from recprune.evaluation.inputs import example
from recprune.models.build import build
from recprune.testing.data import tiny_clicks, tiny_mixed, tiny_split


@pytest.mark.parametrize("min_count", [2, 15, 20])
def test_ids_that_stay_keep_their_rows_and_the_others_have_code_0(min_count: int):
    split = tiny_clicks()
    made = without_rare(split, min_count)
    for name, vocabulary in split.vocabularies.items():
        counts = np.bincount(split.train[name], minlength=len(vocabulary))
        frequent = {key for key, count in zip(vocabulary.ids, counts[1:], strict=True) if count >= min_count}
        assert set(made.vocabularies[name].ids) == frequent
        for part in ("train", "valid", "test"):
            old = vocabulary.decode(getattr(split, part)[name])
            new = made.vocabularies[name].decode(getattr(made, part)[name])
            assert new == [key if key in frequent else None for key in old]
    assert all(np.array_equal(made.train[name], split.train[name]) for name in ("label", "time"))


def test_some_were_rare_and_a_model_of_the_rest_is_smaller():
    split = tiny_clicks()
    made = without_rare(split, 15, columns=["item"])
    assert 1 < len(made.vocabularies["item"]) < len(split.vocabularies["item"])
    assert made.vocabularies["user"] == split.vocabularies["user"]
    large, small = (build("deepfm", one, dim=4, hidden=(8,)) for one in (split, made))
    assert small.table.weight.shape[0] < large.table.weight.shape[0]
    assert small(*example(small, made)).isfinite().all()


def test_of_many_ids_in_a_row_those_that_stay_move_together():
    split = tiny_mixed()
    counts = np.bincount(split.train["tags"].ravel(), minlength=6)
    made = without_rare(split, int(np.sort(counts[1:])[2]), columns=["tags"])
    assert len(made.vocabularies["tags"]) < len(split.vocabularies["tags"])
    for old, new in zip(split.test["tags"], made.test["tags"], strict=True):
        stays = [key for key in split.vocabularies["tags"].decode(old) if key in made.vocabularies["tags"].ids]
        assert made.vocabularies["tags"].decode(new) == stays + [None] * (len(new) - len(stays))


def test_bins_stay_and_a_prepared_folder_keeps_what_is_left(tmp_path):
    split = binned(tiny_mixed(), {"age": 4})
    made = without_rare(split, 15)
    assert made.vocabularies["age"] == split.vocabularies["age"]
    save_split(made, tmp_path / "prepared")
    found = load_split(tmp_path / "prepared")
    assert found.vocabularies == made.vocabularies
    assert np.array_equal(found.train["item"], made.train["item"])


def test_nothing_is_rare_below_one():
    split = tiny_clicks()
    made = without_rare(split, 0)
    assert made.vocabularies == split.vocabularies


def test_what_cannot_be_done_is_said():
    with pytest.raises(DataError, match="0 times or more, not -1"):
        without_rare(tiny_clicks(), -1)
    with pytest.raises(DataError, match="--min-item"):
        without_rare(tiny_split(), 2)
    with pytest.raises(DataError, match="'label' holds no ids; these do: city, item, noise, user"):
        without_rare(tiny_clicks(), 2, columns=["label"])
    with pytest.raises(DataError, match="no id of 'city' occurs 1,000 times in train, the most frequent"):
        without_rare(tiny_clicks(), 1000)


def test_a_column_of_which_train_knows_nothing_stays_as_it_is():
    split = tiny_clicks()
    empty = replace(split.train, columns={**split.train.columns, "noise": np.zeros(len(split.train), dtype=np.int32)})
    made = without_rare(replace(split, train=empty), 15)
    assert made.vocabularies["noise"] == split.vocabularies["noise"]
    assert np.array_equal(made.test["noise"], split.test["noise"])


def test_items_of_the_past_follow_the_items():
    split = with_pasts(tiny_clicks(), 4)
    made = without_rare(split, 15, columns=["item"])
    old, new = split.vocabularies["item"].decode(split.test["sequence"].ravel()), made.vocabularies["item"]
    assert new.decode(made.test["sequence"].ravel()) == [key if key in new.ids else None for key in old]
    assert None in new.decode(new.encode(old))
