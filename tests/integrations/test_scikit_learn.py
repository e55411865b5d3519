"""PrunedRecommender against scikit-learn itself."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer
from sklearn.utils.estimator_checks import parametrize_with_checks

from recprune.artifact import save
from recprune.data.select import FeatureSelector
from recprune.errors import BudgetError, DataError
from recprune.integrations.scikit_learn import PrunedRecommender
from recprune.training.options import FitOptions

ONE_NUMBER = "predict gives the scores of all items, (users, items), where the check wants one number a row"
EXPECTED = {"check_estimator_sparse_array": ONE_NUMBER, "check_estimator_sparse_matrix": ONE_NUMBER}


def expected(estimator):
    return EXPECTED if isinstance(estimator, PrunedRecommender) else {}


@parametrize_with_checks([PrunedRecommender(), FeatureSelector()], expected_failed_checks=expected)
def test_scikit_learn_finds_nothing_that_is_not_told(estimator, check):
    check(estimator)


def tastes(users=40, items=12, seed=0):
    """Users and items of even number have one taste: 4 items of 6 in X, the two others in y."""
    rng = np.random.default_rng(seed)
    x, y = np.zeros((users, items)), np.zeros((users, items))
    for user in range(users):
        liked = rng.permutation(np.arange(user % 2, items, 2))
        x[user, liked[:4]] = 1
        y[user, liked[4:]] = 1
    return x, y


def test_what_has_the_same_taste_is_recommended_and_dense_and_sparse_are_one():
    x, y = tastes()
    model = PrunedRecommender("ease", factor=0.3, k=2, settings={"reg": 1.0}).fit(x)
    listed = model.recommend(x, k=2)
    assert (listed % 2 == np.arange(len(x))[:, None] % 2).all()
    assert model.score(x, y) == 1.0
    again = PrunedRecommender("ease", factor=0.3, k=2, settings={"reg": 1.0}).fit(sp.csr_array(x))
    np.testing.assert_array_equal(again.recommend(sp.csc_matrix(x), k=2), listed)
    assert again.score(sp.csr_array(x), sp.csr_array(y)) == 1.0


def test_a_user_whom_nobody_has_seen_is_scored_by_what_he_had():
    x, _ = tastes()
    model = PrunedRecommender("ease", factor=0.3, settings={"reg": 1.0}).fit(x[:30])
    np.testing.assert_array_equal(model.predict(x)[30:], model.predict(x[30:]))


def test_the_list_holds_the_highest_scores_of_what_was_not_had():
    x, _ = tastes()
    model = PrunedRecommender("ease", factor=0.2).fit(x)
    scores = np.where(x > 0, -np.inf, model.predict(x))
    np.testing.assert_array_equal(model.recommend(x, k=8), np.argsort(-scores, axis=1, kind="stable")[:, :8])


def test_where_fewer_items_are_left_the_list_ends_in_minus_one():
    x, _ = tastes()
    listed = PrunedRecommender("ease", factor=0.2).fit(x).recommend(x, k=10)
    assert (listed[:, :8] >= 0).all()
    assert (listed[:, 8:] == -1).all()


def test_the_budget_is_met_and_the_model_is_smaller(tmp_path):
    x, _ = tastes()
    half = PrunedRecommender("ease", factor=0.5).fit(x)
    assert 0.5 <= half.plan_.account().share_removed < 0.6
    whole = save(tmp_path / "whole", PrunedRecommender("ease", factor=0.0).fit(x).model_) / "weights.safetensors"
    limit = whole.stat().st_size * 3 // 4
    few = PrunedRecommender("ease", bytes=limit).fit(x)
    assert (save(tmp_path / "few", few.model_) / "weights.safetensors").stat().st_size <= limit
    with pytest.raises(BudgetError):
        PrunedRecommender("ease", bytes=10).fit(x)


def test_items_that_left_a_factor_model_are_never_listed_and_score_lowest():
    x, _ = tastes()
    x[:, 11] = 0
    x[0, 11] = 1
    fast = FitOptions(epochs=2, batch=64)
    model = PrunedRecommender("fism", factor=0.6, settings={"dim": 4}, options=fast, tuning=fast, random_state=0).fit(x)
    scores = model.predict(x)
    gone = np.isneginf(scores).all(0)
    assert scores.shape == x.shape
    assert not np.isin(np.flatnonzero(gone), model.recommend(x, k=12)).any()
    assert gone.sum() == 12 - len(model.vocabularies_["item"].ids)


def test_one_held_out_item_a_user_is_told_by_its_column():
    x, y = tastes()
    model = PrunedRecommender("ease", factor=0.2, k=3).fit(x)
    first = y.argmax(1)
    alone = np.zeros_like(y)
    alone[np.arange(len(y)), first] = 1
    assert model.score(x, first) == model.score(x, alone)


def test_grid_search_finds_the_budget_behind_a_pipeline():
    x, y = tastes()
    steps = make_pipeline(Binarizer(), PrunedRecommender("ease", k=2, settings={"reg": 1.0}))
    search = GridSearchCV(steps, {"prunedrecommender__factor": [0.3, 0.95]}, cv=2).fit(3 * x, y)
    assert search.best_params_ == {"prunedrecommender__factor": 0.3}
    assert search.cv_results_["mean_test_score"][0] > search.cv_results_["mean_test_score"][1]
    assert search.predict(x).shape == x.shape


def test_the_same_seed_gives_the_same_model():
    x, _ = tastes()
    fast = FitOptions(epochs=1, batch=64)
    made = [
        PrunedRecommender("fism", 0.2, settings={"dim": 4}, options=fast, tuning=fast, random_state=7).fit(x).predict(x)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*made)


def test_what_cannot_be_is_said_with_the_way_out():
    x, y = tastes()
    with pytest.raises(DataError, match="takes user"):
        PrunedRecommender("mf", settings={"dim": 4}, options=FitOptions(epochs=1)).fit(x)
    with pytest.raises(DataError, match="above 0"):
        PrunedRecommender().fit(np.zeros((4, 3)))
    model = PrunedRecommender("ease", factor=0.2).fit(x)
    with pytest.raises(DataError, match="row for each user"):
        model.score(x, y[:5])
    with pytest.raises(DataError, match="columns of X"):
        model.score(x, np.full(len(x), 99))
    with pytest.raises(DataError, match="columns of X"):
        model.score(x, np.array(["a"] * len(x)))
    with pytest.warns(UndefinedMetricWarning):
        assert np.isnan(model.score(x, x))


def test_of_a_table_with_names_nothing_is_warned_of():
    pandas = pytest.importorskip("pandas")
    x, y = (pandas.DataFrame(part, columns=[f"film {n}" for n in range(12)]) for part in tastes())
    model = PrunedRecommender("ease", factor=0.2).fit(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.score(x, y) == PrunedRecommender("ease", factor=0.2).fit(x.to_numpy()).score(x.to_numpy(), y)


def test_a_factor_that_is_no_number_is_said_before_anything_is_trained(monkeypatch):
    monkeypatch.delattr("recprune.integrations.scikit_learn.train")
    with pytest.raises(BudgetError, match=r"factor must be a number in 0\.\.1, not '0\.5'"):
        PrunedRecommender("ease", factor="0.5").fit(tastes()[0])


def test_columns_of_y_in_another_order_are_refused_where_they_have_names():
    pandas = pytest.importorskip("pandas")
    names = [f"film {number}" for number in range(12)]
    x, y = (pandas.DataFrame(part, columns=names) for part in tastes())
    model = PrunedRecommender("ease", factor=0.3, k=2, settings={"reg": 1.0}).fit(x)
    assert model.score(x, y) == model.score(x, y.to_numpy()) == 1.0
    with pytest.raises(DataError, match="'film 11' where X has 'film 0'"):
        model.score(x, y[names[::-1]])
