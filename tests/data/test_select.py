import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler
from sklearn.utils.estimator_checks import check_estimator

from recprune.data.encode import encode
from recprune.data.features import FeatureMatrix
from recprune.data.select import FeatureSelector
from recprune.data.simulate import simulate
from recprune.data.split import split_random
from recprune.errors import BudgetError, DataError

RULES = ("weight", "gradient", "mse", "mean_square_ratio")


def problem(rows=80, columns=10, seed=0):
    """Only columns 2 and 5 matter."""
    rng = np.random.default_rng(seed)
    x = sp.random(rows, columns, 0.4, format="csr", random_state=seed)
    dense = x.toarray()
    return x, 3 * dense[:, 2] - 2 * dense[:, 5] + 0.1 * rng.normal(size=rows)


@pytest.mark.parametrize(
    "selector",
    [*(FeatureSelector(rule=rule) for rule in RULES), FeatureSelector(rule="mse", stepwise=True)],
    ids=[*RULES, "stepwise"],
)
def test_scikit_learn_finds_nothing_to_say(selector):
    results = check_estimator(selector, on_fail=None, on_skip=None)
    failed = {r["check_name"]: repr(r["exception"]) for r in results if r["status"] not in ("passed", "skipped")}
    assert len(results) > 30
    assert failed == {}


@pytest.mark.parametrize("rule", RULES)
def test_dense_and_sparse_single_and_double_keep_the_same_columns(rule):
    x, y = problem()
    found = [
        FeatureSelector(0.8, rule).fit(form, y).get_support(indices=True).tolist()
        for form in (x, x.toarray(), x.tocsc(), x.astype(np.float32))
    ]
    assert found == [[2, 5]] * 4


def test_transform_keeps_the_matrix_sparse_and_the_inverse_puts_zeros_where_columns_left():
    x, y = problem()
    selector = FeatureSelector(0.8).fit(x, y)
    few = selector.transform(x)
    assert sp.issparse(few)
    assert (few != x[:, [2, 5]]).nnz == 0
    again = selector.inverse_transform(few).toarray()
    np.testing.assert_array_equal(again[:, [2, 5]], x[:, [2, 5]].toarray())
    assert not again[:, [0, 1, 3, 4, 6, 7, 8, 9]].any()


@pytest.mark.parametrize(("factor", "stay"), [(0, 10), (0.09, 10), (0.1, 9), (0.3, 7), (0.55, 5), (0.99, 1)])
@pytest.mark.parametrize("stepwise", [False, True])
def test_the_factor_is_met_to_within_one_column_and_one_column_stays_at_least(factor, stay, stepwise):
    x, y = problem()
    assert FeatureSelector(factor, stepwise=stepwise).fit(x, y).get_support().sum() == stay


def test_a_larger_factor_removes_what_a_smaller_one_removed_and_more():
    x, y = problem()
    before = np.ones(10, dtype=bool)
    for factor in (0.2, 0.4, 0.6, 0.8):
        support = FeatureSelector(factor, "mse", stepwise=True).fit(x, y).get_support()
        assert not (support & ~before).any()
        before = support


@pytest.mark.parametrize("stepwise", [False, True])
def test_of_equal_columns_that_with_the_lower_number_stays(stepwise):
    x = np.tile(np.arange(6.0)[:, None], (1, 4))
    assert FeatureSelector(0.5, stepwise=stepwise).fit(x, np.arange(6.0)).get_support(indices=True).tolist() == [0, 1]


def test_of_columns_that_say_the_same_one_stays_where_columns_leave_step_by_step():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4))
    x = np.c_[x, x[:, 0]]
    y = x[:, 0] + 0.5 * x[:, 1]
    assert FeatureSelector(0.6, "mse", stepwise=True, alpha=0.01).fit(x, y).get_support(indices=True).tolist() == [0, 1]


def test_without_y_a_column_is_worth_what_it_shares():
    rng = np.random.default_rng(1)
    common = rng.normal(size=(300, 1))
    x = np.c_[rng.normal(size=(300, 3)), common + 0.3 * rng.normal(size=(300, 3))]
    assert FeatureSelector(0.5, components=1).fit(x).get_support(indices=True).tolist() == [3, 4, 5]


def test_classes_are_told_apart_whatever_they_are_called():
    x, y = problem()
    sign = np.where(y > np.median(y), "yes", "no")
    for target in (sign, (sign == "yes").astype(int), sign == "yes"):
        assert FeatureSelector(0.8).fit(x, target).get_support(indices=True).tolist() == [2, 5]


def test_several_targets_are_scaled_so_that_none_drowns_the_others():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(90, 6))
    y = np.c_[1e6 * x[:, 1], x[:, 4]]
    assert FeatureSelector(4 / 6).fit(x, y).get_support(indices=True).tolist() == [1, 4]


def test_it_works_inside_a_pipeline_and_a_grid_search():
    x, y = problem(rows=120)
    labels = (y > np.median(y)).astype(int)
    steps = make_pipeline(MaxAbsScaler(), FeatureSelector(), LogisticRegression())
    grid = {"featureselector__factor": [0.0, 0.8], "featureselector__rule": list(RULES)}
    search = GridSearchCV(steps, grid, cv=3, error_score="raise").fit(x, labels)
    assert search.best_score_ > 0.8
    assert len(search.cv_results_["params"]) == 8
    assert clone(search.best_estimator_[1]).get_params() == search.best_estimator_[1].get_params()


@pytest.fixture(scope="module")
def clicks():
    log = simulate(200, 60, 1200, 4, feedback="label", noise=(2, 20), item_fields=(3,), user_fields=(3,), seed=3).log
    return split_random(encode(log), 0.0, 0.3, seed=0)


def test_a_features_matrix_goes_in_and_a_smaller_one_with_its_names_comes_out(clicks):
    train = FeatureMatrix.of_rows(clicks.train, ("user_field1", "noise1", "noise2"))
    selector = FeatureSelector(0.6).fit(train, clicks.train["label"])
    few = selector.transform(train)
    assert isinstance(few, FeatureMatrix)
    assert few.names == tuple(selector.get_feature_names_out())
    np.testing.assert_array_equal(few.mean_, train.mean_[selector.get_support()])
    test = selector.transform(train.like(clicks.test))
    assert test.names == few.names
    np.testing.assert_array_equal(test.mean_, few.mean_)
    with pytest.raises(DataError, match="like") as error:
        selector.transform(few)
    assert (error.value.columns, error.value.expected) == (few.shape[1], train.shape[1])


@pytest.mark.parametrize(
    ("rule", "options"),
    [("weight", {}), ("gradient", {}), ("mse", {"alpha": 5.0}), ("mean_square_ratio", {})],
    ids=RULES,
)
@pytest.mark.parametrize("feedback", ["label", "rating"])
def test_fields_that_matter_stay_and_constants_noise_and_unique_ids_leave(rule, options, feedback):
    sizes = {"user_fields": (3,), "item_fields": (3,), "context_fields": (3,), "noise": (2, 20)}
    simulation = simulate(200, 60, 1200, 4, seed=0, feedback=feedback, **sizes)
    dataset = encode(simulation.log)
    features = FeatureMatrix.of_rows(dataset)
    selector = FeatureSelector(1 - 12 / features.shape[1], rule, **options).fit(features, dataset[feedback])
    kept = set(selector.transform(features).field_of)
    truth = simulation.truth
    assert kept == set(truth.playing("matters", "redundant"))
    assert features.shape[1] > 1200, "every row has an id of its own"


@pytest.mark.parametrize("factor", [-0.1, 1, 1.5, float("nan")])
def test_a_factor_outside_0_to_1_is_refused(factor):
    x, y = problem()
    with pytest.raises(BudgetError) as error:
        FeatureSelector(factor).fit(x, y)
    assert error.value.parts["factor"] is factor


@pytest.mark.parametrize(
    ("name", "value"), [("alpha", 0), ("alpha", float("inf")), ("components", 0), ("rule", "size")]
)
def test_other_parameters_without_sense_are_refused_by_name(name, value):
    x, y = problem()
    with pytest.raises(DataError) as error:
        FeatureSelector(**{name: value}).fit(x, y)
    assert name in error.value.parts


def test_one_class_only_and_numbers_that_are_not_finite_are_refused():
    x, y = problem()
    with pytest.raises(DataError, match="one value only"):
        FeatureSelector().fit(x, np.ones(80))
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            FeatureSelector().fit(x, np.where(np.arange(80) == 3, bad, y))
