import numpy as np
import pytest

from recprune.data.dataset import Dataset, Roles
from recprune.data.encode import encode
from recprune.data.features import FeatureMatrix
from recprune.data.simulate import simulate
from recprune.data.split import split_random
from recprune.data.vocabulary import Vocabulary
from recprune.errors import DataError

ROLES = Roles(
    user="user",
    item="item",
    categorical=("city", "brand"),
    multi=("tags",),
    numeric=("age", "price"),
    of_user=("city", "age"),
    of_item=("brand", "tags"),
)
VOCABULARIES = {
    "user": Vocabulary("user", ["a", "b", "c"]),
    "item": Vocabulary("item", ["x", "y", "z"]),
    "city": Vocabulary("city", ["Oslo", "Bergen"]),
    "brand": Vocabulary("brand", ["Acme", "Bolt"]),
    "tags": Vocabulary("tags", ["red", "new"]),
}


def dataset(**changes):
    columns = {
        "user": np.array([1, 1, 1, 3, 0], dtype=np.int32),
        "item": np.array([1, 2, 1, 3, 2], dtype=np.int32),
        "city": np.array([2, 2, 2, 0, 1], dtype=np.int32),
        "brand": np.array([1, 2, 1, 0, 2], dtype=np.int32),
        "tags": np.array([[1, 2], [2, 0], [1, 2], [0, 0], [2, 0]], dtype=np.int32),
        "age": np.array([30, 30, 30, np.nan, 9], dtype=np.float32),
        "price": np.array([1, 2, np.nan, 5, 7], dtype=np.float32),
    }
    return Dataset(columns | changes, VOCABULARIES, ROLES)


def as_table(matrix):
    return {name: column.tolist() for name, column in zip(matrix.names, matrix.x.toarray().T, strict=True)}


def test_features_of_users_are_those_worked_by_hand():
    matrix = FeatureMatrix.of_users(dataset())
    assert matrix.keys.tolist() == [1, 3], "the unknown user is nobody, and user 2 did nothing"
    assert as_table(matrix) == {
        "history=x": [1, 0],
        "history=y": [1, 0],
        "history=z": [0, 1],
        "count(rows)": [3, 1],
        "count(items)": [2, 1],
        "city=Oslo": [0, 0],
        "city=Bergen": [1, 0],
        "share(brand=Acme)": pytest.approx([2 / 3, 0]),
        "share(brand=Bolt)": pytest.approx([1 / 3, 0]),
        "share(tags=red)": pytest.approx([0.4, 0]),
        "share(tags=new)": pytest.approx([0.6, 0]),
        "age": [30, 30],
        "mean(price)": [1.5, 5],
    }
    assert set(matrix.constant) == {"city=Oslo", "age"}


def test_features_of_rows_are_those_worked_by_hand():
    matrix = FeatureMatrix.of_rows(dataset(), ("item", "tags", "price"))
    assert as_table(matrix) == {
        "item=x": [1, 0, 1, 0, 0],
        "item=y": [0, 1, 0, 0, 1],
        "item=z": [0, 0, 0, 1, 0],
        "tags=red": [1, 0, 1, 0, 0],
        "tags=new": [1, 1, 1, 0, 1],
        "price": [1, 2, 3.75, 5, 7],
    }


def test_rows_with_label_0_are_not_what_a_user_did():
    matrix = FeatureMatrix.of_users(dataset(label=np.array([1, 0, 1, 0, 1], dtype=np.float32)))
    table = as_table(matrix)
    assert table["history=y"] == [0, 0]
    assert table["count(rows)"] == [2, 0]
    assert table["city=Bergen"] == [1, 0]


@pytest.fixture(scope="module")
def split():
    return split_random(encode(simulate(60, 40, 900, 3, seed=2, uniques=0).log), 0.0, 0.3)


def test_a_materialised_matrix_has_mean_0_and_variance_1(split):
    matrix = FeatureMatrix.of_users(split.train)
    dense = matrix.rows(matrix.keys).astype(np.float64)
    constant = np.isin(matrix.names, matrix.constant)
    assert np.isfinite(dense).all()
    np.testing.assert_allclose(dense.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(dense[:, ~constant].var(0), 1, rtol=1e-4)
    assert (dense[:, constant] == 0).all()
    assert "share(constant1=v0)" in matrix.constant


def test_other_rows_get_the_remembered_mean_and_deviation(split):
    train = FeatureMatrix.of_users(split.train)
    test = train.like(split.test)
    own = FeatureMatrix.of_users(split.test)
    assert test.names == train.names == own.names
    np.testing.assert_array_equal(test.mean_, train.mean_)
    expected = (own.x.toarray() - train.mean_) / train.scale_
    np.testing.assert_allclose(test.rows(own.keys), expected, rtol=1e-5, atol=1e-5)


def test_taken_columns_can_be_made_again_from_other_data(split):
    train = FeatureMatrix.of_users(split.train)
    few = train.take(np.array([3, 1]))
    assert few.names == (train.names[3], train.names[1])
    keys = few.like(split.test).keys
    np.testing.assert_array_equal(few.like(split.test).rows(keys), train.like(split.test).rows(keys)[:, [3, 1]])
    mask = np.isin(train.field_of, ["history"])
    assert train.take(mask).shape == (train.shape[0], mask.sum())


def test_missing_numbers_of_other_data_become_the_remembered_mean():
    train = FeatureMatrix.of_users(dataset(), ("numeric",))
    other = train.like(dataset(price=np.full(5, np.nan, dtype=np.float32)))
    assert as_table(other)["mean(price)"] == [3.25, 3.25]
    assert (other.rows(other.keys) == 0).all()


def test_an_unknown_user_is_average():
    matrix = FeatureMatrix.of_users(dataset())
    rows = matrix.rows(np.array([0, 1, 2, 99]))
    assert rows[1].any()
    assert not rows[[0, 2, 3]].any()


def test_the_summary_says_sizes_and_constants():
    text = str(FeatureMatrix.of_users(dataset()))
    assert "2 users × 13 features" in text
    assert "2 constant" in text
    assert "history 3" in text


def test_data_of_another_encoding_is_refused_by_name(split):
    with pytest.raises(DataError) as error:
        FeatureMatrix.of_users(split.train).like(dataset())
    assert "history=i1" in error.value.absent


@pytest.mark.parametrize(("blocks", "part"), [(("histroy",), "block"), ((), "blocks")])
def test_an_unknown_block_and_no_columns_are_refused(blocks, part):
    with pytest.raises(DataError) as error:
        FeatureMatrix.of_users(dataset(), blocks)
    assert part in error.value.parts


def test_numbers_that_are_not_finite_are_missing_numbers():
    for far in (np.inf, -np.inf, 1e300):
        price = np.array([1, 2, far, 5, 7], dtype=np.float64)
        assert as_table(FeatureMatrix.of_rows(dataset(price=price), ("price",))) == {"price": [1, 2, 3.75, 5, 7]}
