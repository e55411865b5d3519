import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recprune.data.standardise import standardise
from recprune.errors import DataError

NUMBERS = st.sampled_from([0.0, 0.0, 0.0, 1.0, -2.0, 0.5, 3.25])
SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 7))
MATRICES = arrays(np.float64, SHAPES, elements=NUMBERS)


def materialised(x):
    """The slow, obvious way."""
    deviation = x.std(0)
    flat = x.max(0) == x.min(0)
    return np.where(flat, 0.0, (x - x.mean(0)) / np.where(flat, 1.0, deviation)), np.flatnonzero(flat)


@given(MATRICES)
@settings(max_examples=80, deadline=None)
def test_columns_have_mean_0_and_variance_1_and_constant_ones_are_0_and_listed(x):
    z = standardise(sp.csr_matrix(x))
    dense = z.rows(np.arange(len(x))).astype(np.float64)
    varies = np.setdiff1d(np.arange(x.shape[1]), z.constant)
    np.testing.assert_allclose(dense.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(dense[:, varies].var(0), 1, rtol=1e-5)
    assert (dense[:, z.constant] == 0).all()
    np.testing.assert_array_equal(z.constant, materialised(x)[1])


@given(MATRICES, st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_every_product_is_that_of_the_materialised_matrix(x, seed):
    z, (dense, _) = standardise(sp.csr_matrix(x)), materialised(x)
    rng = np.random.default_rng(seed)
    n, p = x.shape
    for right in (rng.normal(size=p), rng.normal(size=(p, 3))):
        np.testing.assert_allclose(z @ right, dense @ right, atol=1e-9)
    for left in (rng.normal(size=n), rng.normal(size=(n, 3))):
        np.testing.assert_allclose(z.rmatmul(left), dense.T @ left, atol=1e-9)
    np.testing.assert_allclose(z.gram(), dense.T @ dense, atol=1e-9)
    np.testing.assert_allclose(z.row_gram(), dense @ dense.T, atol=1e-9)
    np.testing.assert_allclose(z.norms(), np.linalg.norm(dense, axis=0), atol=1e-9)


@given(MATRICES)
@settings(max_examples=30, deadline=None)
def test_other_rows_get_the_mean_and_deviation_that_were_found(x):
    z = standardise(x)
    other = np.arange(2 * x.shape[1], dtype=np.float64).reshape(2, -1)
    np.testing.assert_allclose(z.applied(other).rows(np.arange(2)), (other - z.mean_) / z.scale_, rtol=1e-6, atol=1e-6)


def test_a_large_mean_costs_no_digits():
    x = 1e9 + np.arange(5.0)[:, None]
    z = standardise(x)
    np.testing.assert_allclose(z.scale_, np.arange(5.0).std(), rtol=1e-12)
    assert len(z.constant) == 0


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e9 + 0.7, -1e-30])
def test_a_constant_column_stays_finite_and_exactly_0(value):
    z = standardise(np.full((7, 1), value))
    assert z.constant.tolist() == [0]
    assert (z.rows(np.arange(7)) == 0).all()
    assert (z.scale_ == 1).all()


def test_the_sparse_matrix_is_neither_copied_nor_changed():
    x = sp.random(50, 20, 0.1, format="csr", random_state=0)
    before = x.copy()
    z = standardise(x)
    assert np.shares_memory(z.x.data, x.data)
    assert (x != before).nnz == 0


def test_double_entries_are_added_up_first():
    x = sp.csr_matrix((np.array([1.0, 2.0, 5.0]), np.array([0, 0, 0]), np.array([0, 2, 3])), shape=(2, 1))
    z = standardise(x)
    np.testing.assert_allclose((z.mean_, z.scale_), ([4.0], [1.0]))


def test_taken_columns_are_the_same_columns():
    x = np.array([[1.0, 5, 0], [2, 5, 1], [4, 5, 0]])
    z = standardise(x).take(np.array([2, 1]))
    np.testing.assert_allclose(z.rows(np.arange(3)), materialised(x)[0][:, [2, 1]], rtol=1e-6)
    assert z.constant.tolist() == [1]


def test_no_rows_and_other_columns_are_refused():
    with pytest.raises(DataError):
        standardise(np.zeros((0, 3)))
    with pytest.raises(DataError) as error:
        standardise(np.eye(3)).applied(np.eye(4))
    assert (error.value.expected, error.value.columns) == (3, 4)
