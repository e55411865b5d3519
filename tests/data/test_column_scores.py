import numpy as np
import pytest
from scipy.stats import pearsonr

from recprune.data.column_scores import RULES, cheapest, check_rule, column_scores, eliminated
from recprune.data.ridge import ridge
from recprune.data.standardise import standardise
from recprune.errors import DataError

ALPHA = 0.2


def problem(rows=40, columns=6, targets=2, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(1, 2, (rows, columns)) * (rng.random((rows, columns)) < 0.6)
    y = x[:, :1] - 0.5 * x[:, 1:2] + rng.normal(size=(rows, targets))
    return x, y - y.mean(0)


def objective(x, y):
    """The least mean squared error, penalty included."""
    z = standardise(x)
    coef = ridge(z, y, ALPHA).coef
    return float(((y - z @ coef) ** 2).sum(1).mean() + ALPHA * (coef**2).sum())


@pytest.mark.parametrize("shape", [(40, 6), (6, 9)], ids=["more rows", "more columns"])
def test_mse_is_the_rise_of_a_model_fitted_again_without_the_column(shape):
    x, y = problem(*shape)
    rises = [objective(np.delete(x, j, 1), y) - objective(x, y) for j in range(shape[1])]
    np.testing.assert_allclose(column_scores(standardise(x), y, "mse", ALPHA), rises, rtol=1e-5, atol=1e-8)


def test_gradient_equals_a_loop_over_rows_and_columns():
    x, y = problem()
    z = standardise(x)
    coef = ridge(z, y, ALPHA).coef
    dense = z.rows(np.arange(len(y))).astype(float)
    left = y - dense @ coef
    expected = [
        sum(abs(left[i, k] * coef[j, k] * dense[i, j]) for i in range(len(y)) for k in range(y.shape[1])) / len(y)
        for j in range(x.shape[1])
    ]
    np.testing.assert_allclose(column_scores(z, y, "gradient", ALPHA), expected, rtol=1e-5)


def test_mean_square_ratio_of_one_target_is_the_f_of_a_simple_regression():
    x, y = problem(targets=1)
    r2 = np.array([pearsonr(column, y[:, 0]).statistic ** 2 for column in x.T])
    expected = r2 * (len(y) - 2) / (1 - r2)
    np.testing.assert_allclose(column_scores(standardise(x), y, "mean_square_ratio", ALPHA), expected, rtol=1e-6)


@pytest.mark.parametrize("rule", [*RULES, "mean_square_ratio"])
def test_a_column_that_explains_all_has_a_finite_score_and_a_constant_one_is_worth_0(rule):
    x = np.c_[np.arange(8.0), np.full(8, 3.0), np.tile([1.0, -1.0], 4)]
    scores = column_scores(standardise(x), x[:, :1] - x[:, 0].mean(), rule, ALPHA)
    assert np.isfinite(scores).all()
    assert scores[1] == 0
    assert scores.argmax() == 0


@pytest.mark.parametrize("rule", RULES)
def test_elimination_leaves_what_a_loop_that_fits_again_leaves(rule):
    x, y = problem(columns=7, seed=3)
    there, left = list(range(7)), []
    for _ in range(4):
        scores = column_scores(standardise(x[:, there]), y, rule, ALPHA)
        left.append(there.pop(int(scores.argmin())))
    scores, leaves = eliminated(standardise(x), y, rule, ALPHA, 4)
    assert leaves.tolist() == left
    rest = column_scores(standardise(x[:, there]), y, rule, ALPHA)
    np.testing.assert_allclose(scores[there], rest, rtol=1e-5, atol=1e-9)


def test_constant_columns_are_eliminated_first_and_of_equal_ones_the_last():
    x, y = problem(columns=2)
    x = np.c_[np.ones(len(x)), x, x[:, 0], np.full(len(x), 7.0)]
    _, leaves = eliminated(standardise(x), y, "mse", 1e-3, 3)
    assert leaves.tolist() == [4, 0, 3]
    assert cheapest(np.array([2.0, 1.0, 2.0 + 1e-12, 1.0])).tolist() == [3, 1, 2, 0]


def test_a_rule_that_there_is_not_is_refused_with_the_names_that_there_are():
    with pytest.raises(DataError, match="weight, gradient, mse, mean_square_ratio") as error:
        check_rule("magnitude", False)
    assert error.value.rule == "magnitude"
    with pytest.raises(DataError, match="stepwise=False"):
        check_rule("mean_square_ratio", True)
