import numpy as np
import pytest

from recprune.data.dataset import Dataset, Roles
from recprune.data.vocabulary import Vocabulary
from recprune.errors import DataError

VOCABULARIES = {"user": Vocabulary("user", ["a", "b", "c"]), "item": Vocabulary("item", ["x", "y", "z"])}


def dataset(**columns):
    made = {name: np.array(values, dtype=np.int32) for name, values in columns.items()}
    return Dataset(made, VOCABULARIES, Roles(user="user", item="item"))


def test_a_user_with_no_history_has_an_empty_one():
    histories = dataset(user=[1, 3, 1], item=[2, 1, 3]).histories()
    assert histories.counts().tolist() == [0, 2, 0, 1]
    users = np.array([2, 0, 1])
    assert histories.dense(users).sum(axis=1).tolist() == [0, 0, 2]
    assert histories.recent(users, 3).tolist() == [[0, 0, 0], [0, 0, 0], [0, 2, 3]]
    assert histories.matrix().shape == (4, 4)


def test_nobody_with_a_history_is_still_a_shape():
    histories = dataset(user=[], item=[]).histories()
    assert histories.recent(np.array([1, 2]), 2).tolist() == [[0, 0], [0, 0]]
    assert histories.dense(np.array([1])).tolist() == [[0, 0, 0, 0]]


def test_a_history_is_in_the_order_of_time_and_of_the_rows_where_times_are_equal():
    histories = dataset(user=[1, 1, 1, 2], item=[3, 1, 2, 3], time=[7, 5, 7, 1]).histories()
    assert histories.items[histories.starts[1] : histories.starts[2]].tolist() == [1, 3, 2]


def test_only_positive_rows_are_history():
    histories = dataset(user=[1, 1, 2], item=[1, 2, 3], label=[1, 0, 0]).histories()
    assert histories.counts().tolist() == [0, 1, 0, 0]


def test_an_item_that_was_had_twice_is_1_in_the_matrix():
    histories = dataset(user=[1, 1], item=[2, 2]).histories()
    assert histories.matrix().toarray()[1].tolist() == [0, 0, 1, 0]
    assert histories.dense(np.array([1])).tolist() == [[0, 0, 1, 0]]


def test_columns_of_differing_length_are_refused():
    with pytest.raises(DataError) as error:
        dataset(user=[1, 2], item=[1])
    assert error.value.lengths == {"user": 2, "item": 1}


def test_a_column_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(DataError, match="user, item") as error:
        dataset(user=[1], item=[1])["city"]
    assert error.value.column == "city"


def test_batches_are_the_rows_in_order():
    rows = dataset(user=[1, 2, 3], item=[3, 2, 1])
    assert [(u.tolist(), i.tolist()) for u, i in rows.batches(("user", "item"), 2)] == [([1, 2], [3, 2]), ([3], [1])]
