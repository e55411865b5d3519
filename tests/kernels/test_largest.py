"""The largest entries of rows, beside a sort of each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recprune import dispatch
from recprune.errors import DataError
from recprune.kernels import slow_gram
from recprune.kernels.largest import largest_of_rows

MIXED = sp.csr_matrix(np.array([[1, 3, 3, 3], [0, 0, 0, 0], [0, 5, 0, -7], [2, 1, 4, 3]], dtype=np.float32))


def sorted_out(matrix: sp.csr_matrix, k: int) -> list[list[tuple[int, float]]]:
    rows = []
    for begin, end in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True):
        pairs = list(zip(matrix.indices[begin:end].tolist(), matrix.data[begin:end].tolist(), strict=True))
        best = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:k]
        rows.append([pair for pair in pairs if pair in best])
    return rows


def listed(matrix: sp.csr_matrix) -> list[list[tuple[int, float]]]:
    return sorted_out(matrix, matrix.shape[1])


def drawn(rows: int, columns: int, share: float, values: int, seed: int, dtype: Any) -> sp.csr_matrix:
    """Columns in any order, and few values, so that many are equal."""
    rng = np.random.default_rng(seed)
    picked = [rng.permutation(columns)[: rng.binomial(columns, share)] for _ in range(rows)]
    starts = np.array([0, *np.cumsum([len(row) for row in picked], dtype=np.int64)], dtype=np.int64)
    data = rng.integers(-values, values + 1, starts[-1]).astype(dtype) / 3
    return sp.csr_matrix((data, np.concatenate([*picked, []]).astype(np.int32), starts), shape=(rows, columns))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.sampled_from([0, 1, 7]),
    columns=st.sampled_from([1, 30, 400]),
    share=st.sampled_from([0.0, 0.2, 1.0]),
    values=st.sampled_from([0, 2, 10**6]),
    k=st.sampled_from([1, 2, 30, 399, 2**31 - 1]),
    seed=st.integers(0, 999),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_the_k_largest_stay_in_the_order_they_have(
    level: str, rows: int, columns: int, share: float, values: int, k: int, seed: int, dtype: Any
) -> None:
    matrix = drawn(rows, columns, share, values, seed, dtype)
    found = largest_of_rows(matrix, k)
    assert found.dtype == dtype
    assert found.shape == matrix.shape
    assert listed(found) == sorted_out(matrix, k)


def test_of_equal_entries_the_first_columns_stay(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_gram, "ROWS", 2)
    assert largest_of_rows(MIXED, 2).toarray().tolist() == [[0, 3, 3, 0], [0, 0, 0, 0], [0, 5, 0, -7], [0, 0, 4, 3]]


def test_counts_are_taken_as_float32(level: str) -> None:
    assert largest_of_rows(MIXED.astype(np.int64), 1).dtype == np.float32


@pytest.mark.parametrize("k", [1, 2, 3])
def test_what_is_no_number_does_not_stay_and_what_is_endless_does(level: str, k: int) -> None:
    row = sp.csr_matrix(np.ones((1, 5)))
    row.data[:] = np.nan, -np.inf, np.inf, np.nan, 0.0
    assert largest_of_rows(row, k).indices.tolist() == [[2], [2, 4], [1, 2, 4]][k - 1]


def test_what_is_endlessly_small_leaves_its_place_to_what_is_not(level: str) -> None:
    row = np.array([[-np.inf, -np.inf, 5.0, np.nan, -np.inf]])
    assert largest_of_rows(sp.csr_matrix(row), 2).indices.tolist() == [0, 2]


def test_sorted_turned_and_equal_rows_are_cut_as_any(level: str) -> None:
    up = np.arange(1000.0)
    rows = np.stack([up, up[::-1], np.minimum(up, up[::-1]), np.full(1000, 2.0), up % 2])
    for k in (1, 99, 500, 999):
        assert listed(largest_of_rows(sp.csr_matrix(rows), k)) == sorted_out(sp.csr_matrix(rows), k)


@pytest.mark.parametrize("k", [0, -1, 2**31, 1.0])
def test_k_is_a_count(level: str, k: Any) -> None:
    with pytest.raises(DataError):
        largest_of_rows(MIXED, k)


native = dispatch._native()
GOOD: dict[str, Any] = {
    "starts": np.array([0, 2, 2, 5]),
    "columns": np.array([3, 1, 0, 1, 2], dtype=np.int32),
    "values": np.ones(5, dtype=np.float32),
    "k": 2,
    "out_starts": np.zeros(4, dtype=np.int64),
    "out_columns": np.zeros(4, dtype=np.int32),
    "out_values": np.zeros(4, dtype=np.float32),
}


@pytest.mark.skipif(native is None, reason="not compiled")
@pytest.mark.parametrize(
    "changed",
    [
        {"starts": np.array([0, 2, 1, 5])},
        {"starts": np.array([0, 2, 2, 6])},
        {"starts": np.array([-1, 2, 2, 5])},
        {"starts": np.zeros(0, dtype=np.int64)},
        {"columns": np.zeros(4, dtype=np.int32)},
        {"columns": np.zeros(5)},
        {"values": np.ones(5, dtype=np.int32)},
        {"k": 0},
        {"k": 2**62},
        {"k": 3},
        {"out_starts": np.zeros(3, dtype=np.int64)},
        {"out_starts": np.full(4, 1, dtype=np.int64)},
        {"out_starts": np.full(4, -1, dtype=np.int64)},
        {"out_starts": np.full(4, 2**62, dtype=np.int64)},
        {"out_starts": np.zeros(4, dtype=np.int32)},
        {"out_columns": np.zeros(3, dtype=np.int32)},
        {"out_values": np.zeros(4, dtype=np.float16)},
    ],
)
def test_the_kernel_refuses_what_does_not_go_together(changed: dict[str, Any]) -> None:
    fresh = {**GOOD, **{name: GOOD[name].copy() for name in ("out_starts", "out_columns", "out_values")}}
    native.largest_of_rows(*fresh.values())
    assert fresh["out_columns"].tolist() == [3, 1, 0, 1]
    with pytest.raises(DataError):
        native.largest_of_rows(*{**fresh, "out_starts": GOOD["out_starts"].copy(), **changed}.values())
    with pytest.raises(TypeError):
        native.largest_of_rows(1)
