"""A log, lists and features as tables of pandas, polars and Arrow."""

import numpy as np
import pandas
import polars as pl
import pyarrow
import pytest

from recprune.data.dataset import Roles
from recprune.data.encode import encode
from recprune.data.features import FeatureMatrix
from recprune.errors import DataError
from recprune.evaluation.inputs import known
from recprune.evaluation.ranking import rank
from recprune.integrations.frames import features_table, log_from, recommendations
from recprune.models.build import build
from recprune.recipe.prune import prune
from recprune.testing.data import tiny_split
from recprune.training.fit import fit

COLUMNS = {"user_id": [1, 1, 2, 3], "item_id": ["a", "b", "a", "c"], "rating": [5.0, 3.0, 4.0, 1.0]}
FORMS = {
    "polars": pl.DataFrame,
    "lazy": pl.LazyFrame,
    "pandas": pandas.DataFrame,
    "arrow": pyarrow.table,
    "batch": pyarrow.RecordBatch.from_pydict,
    "stream": lambda columns: pyarrow.RecordBatchReader.from_batches(
        pyarrow.table(columns).schema, pyarrow.table(columns).to_batches()
    ),
}
KINDS = {"polars": pl.DataFrame, "pandas": pandas.DataFrame, "arrow": pyarrow.Table}


@pytest.mark.parametrize("form", FORMS)
def test_a_log_is_the_same_from_every_table(form):
    log = log_from(FORMS[form](COLUMNS))
    assert (log.roles.user, log.roles.item, log.roles.rating) == ("user_id", "item_id", "rating")
    data = encode(log)
    assert data.vocabularies["user"].ids == ("1", "2", "3")
    assert data.vocabularies["item"].ids == ("a", "b", "c")
    assert data["rating"].tolist() == COLUMNS["rating"]


def test_rows_without_an_id_stand_aside_and_dates_and_categories_are_read():
    table = pandas.DataFrame(
        {
            "who": pandas.Series(["x", None, "y"], dtype="string"),
            "what": pandas.Categorical(["a", "b", "a"]),
            "when": pandas.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03"]),
            "city": ["Oslo", "Bergen", None],
        }
    ).set_index(pandas.Index([7, 8, 9]))
    log = log_from(table, Roles(user="who", item="what", time="when", categorical=("city",)))
    data = encode(log)
    assert dict(log.rejected.counts) == {"user is empty": 1}
    assert data["time"].tolist() == [1704067200, 1704240000]
    assert data["city"].tolist() == [1, 0]


def test_ids_that_became_floats_are_refused_with_the_way_out():
    table = pandas.DataFrame({"user": [1, None, 3], "item": ["a", "b", "c"]})
    with pytest.raises(DataError, match="Int64"):
        log_from(table)
    assert encode(log_from(table.astype({"user": "Int64"}))).vocabularies["user"].ids == ("1", "3")


def test_what_is_no_table_or_has_no_row_is_refused():
    with pytest.raises(DataError, match="list"):
        log_from([1, 2])
    with pytest.raises(DataError, match=r"cannot be read.*astype\(str\)"):
        log_from(pandas.DataFrame({"user": ["a", 2], "item": [3, 4]}))
    with pytest.raises(DataError, match="cannot be read"):
        log_from(pandas.Series([1, 2]))
    with pytest.raises(DataError, match="no row"):
        log_from(pl.DataFrame({"user": [None], "item": ["a"]}, schema={"user": pl.String, "item": pl.String}))


@pytest.mark.parametrize("kind", KINDS)
def test_lists_come_back_as_every_kind_of_table(kind):
    split = tiny_split()
    model = build("ease", split)
    fit(model, split)
    table = recommendations(model, split, 3, kind=kind)
    assert isinstance(table, KINDS[kind])
    found = pl.DataFrame(table) if kind != "pandas" else pl.from_pandas(table)
    users = np.arange(1, split.train.n_users)
    top = rank(model, known(split, "test"), users, 3)
    assert found.columns == ["user", "rank", "item"]
    assert found["user"].to_list() == np.repeat(split.vocabularies["user"].ids, 3).tolist()
    assert found["item"].to_list() == split.vocabularies["item"].decode(top.ravel().tolist())
    assert found["rank"].to_list() == [1, 2, 3] * len(users)


def test_lists_of_some_users_of_a_pruned_model():
    split = tiny_split()
    model = build("ease", split)
    fit(model, split)
    small = prune(model, split, 0.3)
    table = recommendations(small.model, split, 2, users=["u5", "u2"], renumber=small.renumber)
    assert table["user"].to_list() == ["u5", "u5", "u2", "u2"]
    with pytest.raises(DataError, match="nobody"):
        recommendations(model, split, users=["u1", "nobody"])


@pytest.mark.parametrize("kind", KINDS)
def test_features_come_back_as_every_kind_of_table(kind):
    split = tiny_split()
    features = FeatureMatrix.of_users(split.train, blocks=("history", "counts"))
    table = features_table(features, split.vocabularies["user"], standardised=True, kind=kind)
    assert isinstance(table, KINDS[kind])
    found = pl.DataFrame(table) if kind != "pandas" else pl.from_pandas(table)
    assert found.columns == ["key", *features.names]
    assert found["key"].to_list() == split.vocabularies["user"].decode(features.keys.tolist())
    np.testing.assert_array_equal(found.drop("key").to_numpy(), features.rows(features.keys))


def test_a_table_that_would_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr("recprune.integrations.frames.CELLS", 10)
    with pytest.raises(DataError, match="FeatureSelector"):
        features_table(FeatureMatrix.of_users(tiny_split().train, blocks=("history",)))
