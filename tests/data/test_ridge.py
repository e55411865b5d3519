import numpy as np
import pytest

from recprune.data.ridge import principal_components, ridge, ridge_inverse
from recprune.data.standardise import standardise
from recprune.errors import DataError

TALL, WIDE = (30, 6), (7, 19)


def problem(shape, targets=2):
    rng = np.random.default_rng(sum(shape))
    x = rng.normal(3, 2, shape) * (rng.random(shape) < 0.7)
    y = rng.normal(size=(shape[0], targets))
    return standardise(x), y - y.mean(0)


@pytest.mark.parametrize("shape", [TALL, WIDE], ids=["more rows", "more columns"])
def test_the_closed_form_solves_the_equations_however_long_or_wide_the_matrix_is(shape):
    z, y = problem(shape)
    dense = z.rows(np.arange(shape[0])).astype(np.float64)
    inverse = np.linalg.inv(dense.T @ dense / len(y) + 0.3 * np.eye(shape[1]))
    found = ridge(z, y, 0.3)
    np.testing.assert_allclose(found.coef, inverse @ dense.T @ y / len(y), atol=1e-6)
    np.testing.assert_allclose(found.inverse_diagonal, np.diag(inverse), rtol=1e-5)
    np.testing.assert_allclose(ridge_inverse(z, 0.3), inverse, atol=1e-5)


@pytest.mark.parametrize("shape", [TALL, WIDE], ids=["more rows", "more columns"])
def test_principal_components_have_the_largest_variances_in_any_order(shape):
    z, _ = problem(shape)
    dense = z.rows(np.arange(shape[0])).astype(np.float64)
    scores = principal_components(z, 3)
    largest = np.linalg.svd(dense, compute_uv=False)[:3] ** 2 / shape[0]
    np.testing.assert_allclose(np.sort(scores.var(0))[::-1], largest, rtol=1e-5)


def test_directions_without_variance_are_not_components():
    x = np.outer(np.arange(5.0), [1.0, 2.0, -1.0])
    assert principal_components(standardise(x), 3).shape == (5, 1)


def test_an_alpha_too_small_for_columns_that_say_the_same_is_refused():
    z = standardise(np.repeat(np.arange(9.0)[:, None], 4, axis=1))
    with pytest.raises(DataError, match="1e-6 or more") as error:
        ridge(z, np.arange(9.0)[:, None] - 4, 1e-300)
    assert error.value.alpha == 1e-300


def test_more_columns_than_rows_and_a_tiny_alpha_keep_the_diagonal_above_what_it_can_be_at_least():
    z, y = problem(WIDE)
    assert (ridge(z, y, 1e-9).inverse_diagonal >= 1 / (1 + 1e-9)).all()


def test_too_many_columns_to_leave_one_by_one_are_refused_before_anything_is_computed():
    z = standardise(np.eye(2, 5001))
    with pytest.raises(DataError, match="stepwise=False") as error:
        ridge_inverse(z, 0.1)
    assert (error.value.columns, error.value.limit) == (5001, 5000)
