"""Rows of M'M, beside the whole of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recprune import dispatch
from recprune.errors import DataError
from recprune.kernels import gram, slow_gram
from recprune.kernels.gram import gram_at, largest_of_gram


def drawn(users: int, items: int, share: float, seed: int = 0, ones: bool = True) -> sp.csr_matrix:
    rng = np.random.default_rng(seed)
    values = np.ones((users, items)) if ones else rng.choice([-1.0, 0.5, 1.5, 2.0], (users, items))
    return sp.csr_matrix(np.where(rng.random((users, items)) < share, values, 0).astype(np.float32))


def largest(dense: NDArray[Any], measured: NDArray[Any], k: int, own: bool) -> NDArray[Any]:
    """What is kept of a whole M'M."""
    out = np.zeros_like(measured)
    for row in range(len(dense)):
        there = [i for i in range(len(dense)) if dense[row, i] != 0 and (own or i != row)]
        for i in sorted(there, key=lambda i: (-measured[row, i], i))[:k]:
            out[row, i] = measured[row, i]
    return out


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    users=st.sampled_from([0, 1, 40]),
    items=st.sampled_from([1, 15, 16, 150, 300]),
    share=st.sampled_from([0.0, 0.004, 0.05, 0.6]),
    k=st.sampled_from([1, 3, 20, 1000]),
    seed=st.integers(0, 999),
    ones=st.booleans(),
    own=st.booleans(),
    measure=st.sampled_from(["itself", "by", "norms"]),
)
def test_of_every_row_the_entries_that_measure_most_are_found(
    level: str, users: int, items: int, share: float, k: int, seed: int, ones: bool, own: bool, measure: str
) -> None:
    matrix = drawn(users, items, share, seed, ones)
    dense = (matrix.T @ matrix).toarray()
    numbers = np.random.default_rng(seed).integers(1, 4, items)
    by, norms = numbers.astype(np.float32), numbers.astype(np.float64)
    measured = {
        "itself": dense,
        "by": dense * by,
        "norms": (dense / (np.sqrt(norms[:, None] * norms) + 0.5)).astype(np.float32),
    }[measure]
    options = {"itself": {}, "by": {"by": by}, "norms": {"norms": norms, "shrink": 0.5}}[measure]
    found = largest_of_gram(matrix, k, own=own, **options)
    assert found.dtype == np.float32
    assert found.has_sorted_indices
    assert np.array_equal(found.toarray(), largest(dense, measured, k, own))


@pytest.mark.parametrize("work", [1, 7, 100, 10**6])
def test_rows_are_made_some_at_a_time(level: str, monkeypatch: pytest.MonkeyPatch, work: int) -> None:
    matrix = drawn(30, 50, 0.1)
    whole = largest_of_gram(matrix, 4, norms=np.ones(50), dtype=np.float64)
    at = gram_at(matrix, whole.indptr, whole.indices)
    monkeypatch.setattr(gram, "WORK", work)
    monkeypatch.setattr(slow_gram, "ROWS", work)
    again = largest_of_gram(matrix, 4, norms=np.ones(50), dtype=np.float64)
    assert again.dtype == np.float64
    assert (again != whole).nnz == 0
    assert np.array_equal(gram_at(matrix, whole.indptr, whole.indices), at)


def test_every_way_gives_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, found = np.random.default_rng(0), []
    matrix = drawn(400, 300, 0.1)
    matrix.data[:] = rng.random(matrix.nnz)
    norms = rng.random(300)
    for name in ("numpy", "portable C", "avx2", "avx512"):
        monkeypatch.setenv("RECPRUNE_KERNELS", name)
        try:
            one = largest_of_gram(matrix, 9, norms=norms, shrink=0.1, dtype=np.float64)
        except DataError:
            continue
        found.append((one.indices.tolist(), one.data.tolist(), gram_at(matrix, one.indptr, one.indices).tolist()))
    assert all(one == found[0] for one in found)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(items=st.sampled_from([1, 16, 200]), share=st.sampled_from([0.0, 0.01, 0.5]), seed=st.integers(0, 99))
def test_entries_are_what_the_whole_has_there(level: str, items: int, share: float, seed: int) -> None:
    matrix, rng = drawn(30, items, share, seed, ones=False), np.random.default_rng(seed)
    rows, columns = np.nonzero(rng.random((items, items)) < 0.2)
    starts = np.searchsorted(rows, np.arange(items + 1))
    found = gram_at(matrix, starts, columns)
    assert found.dtype == np.float32
    assert np.array_equal(found, (matrix.T @ matrix).toarray()[rows, columns])


def test_sums_that_cancel_are_no_entries(level: str) -> None:
    matrix = sp.csr_matrix(np.array([[1, 1, 0], [1, -1, 2]], dtype=np.float32))
    assert largest_of_gram(matrix, 3).indices.tolist() == [2, 2, 0, 1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"k": 0},
        {"by": np.ones(4)},
        {"norms": np.ones(6)},
        {"norms": np.ones(5), "by": np.ones(5)},
        {"matrix": drawn(9, 5, 0.5).astype(np.float64)},
        {"matrix": drawn(9, 5, 0.5).tocsc()},
    ],
)
def test_parts_that_do_not_go_together_are_refused(level: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        largest_of_gram(**{"matrix": drawn(9, 5, 0.5), "k": 2, **wrong})


@pytest.mark.parametrize(
    ("starts", "columns"),
    [
        ([0, 1, 1, 1], [0]),
        ([0, 1, 1, 1, 1, 2], [0]),
        ([0, 1, 0, 1, 1, 1], [0]),
        ([1, 1, 1, 1, 1, 1], [0]),
        ([0, 1, 1, 1, 1, 1], [5]),
        ([0, 1, 1, 1, 1, 1], [-1]),
        ([0, 1, 1, 1, 1, 1], [0.0]),
    ],
)
def test_places_elsewhere_are_refused(level: str, starts: Any, columns: Any) -> None:
    with pytest.raises(DataError):
        gram_at(drawn(9, 5, 0.5), starts, columns)


native = dispatch._native()
compiled = pytest.mark.skipif(native is None, reason="not compiled")
HAD, ITEMS = drawn(9, 5, 0.5), drawn(9, 5, 0.5).T.tocsr()
PARTS: dict[str, Any] = {
    "level": 0,
    "n": 5,
    "item_starts": ITEMS.indptr,
    "item_users": ITEMS.indices,
    "item_values": ITEMS.data,
    "user_starts": HAD.indptr,
    "user_items": HAD.indices,
    "user_values": None,
}
WRONG: list[dict[str, Any]] = [
    {"level": 7},
    {"n": 4},
    {"n": -1},
    {"n": 2**40},
    {"item_starts": ITEMS.indptr + 1},
    {"item_starts": ITEMS.indptr[::-1].copy()},
    {"item_starts": np.zeros(0, dtype=np.int32)},
    {"item_users": np.full(ITEMS.nnz, 9, dtype=np.int32)},
    {"item_users": np.full(ITEMS.nnz, -1, dtype=np.int32)},
    {"item_users": ITEMS.indices.astype(np.int64)},
    {"item_values": ITEMS.data[1:]},
    {"item_values": ITEMS.data.astype(np.float64)},
    {"user_starts": HAD.indptr[:-1]},
    {"user_starts": np.zeros(0, dtype=np.int32)},
    {"user_starts": HAD.indptr.astype(np.float32)},
    {"user_items": np.full(HAD.nnz, 5, dtype=np.int32)},
    {"user_values": np.ones(HAD.nnz + 1, dtype=np.float32)},
]


def asked(changed: dict[str, Any]) -> list[Any]:
    good = {
        **{**PARTS, "first": 0, "own": True, "by": None, "norms": None, "shrink": 0.0, "k": 5},
        "starts": np.zeros(6, dtype=np.int64),
        "columns": np.zeros(25, dtype=np.int32),
        "values": np.zeros(25),
    }
    return list({**good, **changed}.values())


@compiled
@pytest.mark.parametrize(
    "changed",
    [
        *WRONG,
        {"first": 1},
        {"first": -1},
        {"by": np.ones(4, dtype=np.float32)},
        {"by": np.ones(5)},
        {"norms": np.ones(6)},
        {"norms": np.ones(5, dtype=np.float32)},
        {"k": 0},
        {"starts": np.zeros(5, dtype=np.int64)},
        {"starts": np.full(6, 26, dtype=np.int64)},
        {"starts": np.full(6, -1, dtype=np.int64)},
        {"columns": np.zeros(24, dtype=np.int32)},
        {"columns": np.zeros(3, dtype=np.int32), "values": np.zeros(3)},
        {"values": np.zeros(25, dtype=np.int64)},
    ],
)
def test_the_kernel_refuses_what_does_not_go_together(changed: dict[str, Any]) -> None:
    good = asked({})
    native.gram_largest(*good)
    assert good[-3][-1] == (HAD.T @ HAD).nnz
    with pytest.raises(DataError):
        native.gram_largest(*asked(changed))


@compiled
@pytest.mark.parametrize("changed", [{"shrink": "much"}, {"first": None}, {"k": "all"}, {"n": 1.5}])
def test_the_kernel_takes_numbers(changed: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        native.gram_largest(*asked(changed))


@compiled
@pytest.mark.parametrize(
    "changed",
    [
        *WRONG,
        {"starts": np.array([0, 1, 1, 1, 1])},
        {"starts": np.array([0, 1, 0, 1, 1, 1])},
        {"starts": np.array([0, 1, 1, 1, 1, 3])},
        {"columns": np.array([0, 5], dtype=np.int32)},
        {"columns": np.array([0, -1], dtype=np.int32)},
        {"out": np.zeros(3, dtype=np.float32)},
        {"out": np.zeros(2)},
    ],
)
def test_the_kernel_refuses_places_elsewhere(changed: dict[str, Any]) -> None:
    places = {
        "starts": np.array([0, 1, 1, 1, 1, 2]),
        "columns": np.array([0, 4], dtype=np.int32),
        "out": np.zeros(2, dtype=np.float32),
    }
    native.gram_at(*{**PARTS, **places}.values())
    assert places["out"].tolist() == (HAD.T @ HAD).toarray()[[0, 4], [0, 4]].tolist()
    with pytest.raises(DataError):
        native.gram_at(*{**PARTS, **places, **changed}.values())
    with pytest.raises(TypeError):
        native.gram_at(1)
