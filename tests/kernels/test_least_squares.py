"""Least squares of rows, beside one dense solution a row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from recprune.errors import DataError
from recprune.kernels import slow_least_squares
from recprune.kernels.least_squares import least_squares


def drawn(rows: int, n: int, dim: int, longest: int, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, longest + 1, rows)
    factors = torch.from_numpy(rng.standard_normal((n, dim)).astype(np.float32) * dim**-0.5)
    return {
        "starts": np.concatenate([[0], np.cumsum(lengths)]),
        "columns": rng.integers(0, n, lengths.sum()),
        "factors": factors,
        "rest": 0.1 * factors.T @ factors,
        "ridge": torch.from_numpy(rng.uniform(0.5, 2, rows).astype(np.float32)),
        "begin": torch.zeros(rows, dim),
    }


def exact(of: dict[str, Any], weights: Any = None) -> Tensor:
    out = torch.zeros(len(of["begin"]), of["factors"].shape[1], dtype=torch.float64)
    for row, (begin, end) in enumerate(zip(of["starts"][:-1], of["starts"][1:], strict=True)):
        near = of["factors"].double()[of["columns"][begin:end]]
        h = torch.ones(end - begin, dtype=torch.float64) if weights is None else torch.from_numpy(weights[begin:end])
        left = near.T @ (near * h[:, None]) + of["rest"].double() + of["ridge"][row] * torch.eye(near.shape[1])
        out[row] = torch.linalg.solve(left, near.T @ h.double())
    return out


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.sampled_from([0, 1, 30]),
    dim=st.sampled_from([1, 15, 16, 17, 64, 80]),
    longest=st.sampled_from([0, 3, 40]),
    seed=st.integers(0, 99),
    weighed=st.booleans(),
)
def test_enough_steps_give_the_solution(
    level: str, rows: int, dim: int, longest: int, seed: int, weighed: bool
) -> None:
    of = drawn(rows, 50, dim, longest, seed)
    weights = np.random.default_rng(seed).uniform(0.2, 2, len(of["columns"])).astype(np.float32) if weighed else None
    found = least_squares(**of, steps=60, weights=weights)
    assert torch.allclose(found.double(), exact(of, weights), atol=1e-5)


def test_float64_is_solved_in_float64(level: str) -> None:
    of = drawn(20, 50, 24, 30)
    double = {name: part.double() if isinstance(part, Tensor) else part for name, part in of.items()}
    found = least_squares(**double, steps=100)
    assert found.dtype is torch.float64
    assert torch.allclose(found, exact(double), atol=1e-11)


def test_every_step_comes_nearer_and_the_next_call_goes_on(level: str) -> None:
    of = drawn(20, 50, 24, 30)
    wanted = exact(of)
    apart = [float((least_squares(**of, steps=steps) - wanted).square().sum()) for steps in range(5)]
    assert apart == sorted(apart, reverse=True)
    assert apart[4] < 0.1 * apart[0]
    there = least_squares(**of, steps=2)
    assert float((least_squares(**{**of, "begin": there}, steps=2) - wanted).square().sum()) < apart[2]
    assert not of["begin"].any()


def test_a_row_without_entries_is_zero_wherever_it_began(level: str) -> None:
    of = drawn(4, 50, 8, 0)
    assert not least_squares(**{**of, "begin": torch.ones(4, 8)}, steps=1).any()


def test_every_level_gives_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    of, found = drawn(20, 50, 40, 30), []
    for name in ("portable C", "avx2", "avx512"):
        monkeypatch.setenv("RECPRUNE_KERNELS", name)
        try:
            found.append(least_squares(**of, steps=3))
        except DataError:
            continue
    assert all(torch.equal(one, found[0]) for one in found)


def test_torch_takes_some_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECPRUNE_KERNELS", "numpy")
    of = drawn(60, 50, 8, 30)
    whole = least_squares(**of, steps=3)
    for held in (8, 80, 800):
        monkeypatch.setattr(slow_least_squares, "HELD", held)
        assert torch.allclose(least_squares(**of, steps=3), whole, atol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"starts": [0, 2]},
        {"starts": [0, 9999, 3, 3, 3]},
        {"starts": [0, 2, 1, 3, 3]},
        {"columns": [0, 1, 50, 2]},
        {"columns": [0, -1, 2, 2]},
        {"rest": torch.zeros(3, 3)},
        {"ridge": torch.ones(3)},
        {"begin": torch.zeros(4, 9)},
        {"weights": [1.0]},
    ],
)
def test_what_does_not_go_together_is_refused(level: str, wrong: dict[str, Any]) -> None:
    of = {**drawn(4, 50, 8, 0), "starts": [0, 1, 1, 2, 4], "columns": [0, 1, 2, 3]}
    assert least_squares(**of, steps=1).shape == (4, 8)
    with pytest.raises(DataError):
        least_squares(**{**of, **wrong}, steps=1)
