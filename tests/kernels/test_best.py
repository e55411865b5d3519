"""The best of scores that are there, beside a full sort."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recprune.kernels.best import best_of_scores

many_levels = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def slow(row: list[float], k: int) -> list[int]:
    order = sorted((i for i, x in enumerate(row) if x > -torch.inf), key=lambda i: (-row[i], i))[:k]
    return order + [0] * (k - len(order))


@many_levels
@given(
    n=st.integers(0, 300),
    users=st.integers(0, 3),
    k=st.integers(1, 40) | st.sampled_from([63, 64, 65, 130, 299]),
    seed=st.integers(0, 999),
    few=st.booleans(),
)
def test_it_lists_what_a_full_sort_lists(level: str, n: int, users: int, k: int, seed: int, few: bool) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.choice([-np.inf, -1.0, -0.0, 0.0, 0.5, np.inf], (users, n)) if few else rng.standard_normal((users, n))
    wide = torch.from_numpy(scores.astype(np.float32))
    found = best_of_scores(wide, k)
    if level == "numpy":
        assert found is None
        return
    assert found is not None
    assert found[0].tolist() == [slow(row, k) for row in wide.tolist()]
    assert found[1] is False


@pytest.mark.parametrize("place", [0, 5, 63, 64, 129])
def test_nan_is_seen_wherever_it_stands(level: str, place: int) -> None:
    scores = torch.arange(260, dtype=torch.float32).flip(0).reshape(2, 130)
    scores[1, place] = torch.nan
    found = best_of_scores(scores, 2)
    assert found is None if level == "numpy" else found is not None and found[1]


def test_other_scores_are_left_to_others(level: str) -> None:
    assert best_of_scores(torch.zeros(2, 3, dtype=torch.float64), 1) is None
    assert best_of_scores(torch.zeros(3), 1) is None
