"""The k highest, exactly."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recprune.errors import DataError
from recprune.evaluation.topk import top_k


def slow(row: list[float], k: int) -> list[int]:
    order = sorted((i for i, x in enumerate(row) if x > -torch.inf), key=lambda i: (-row[i], i))[:k]
    return order + [0] * (k - len(order))


scores = st.sampled_from([-torch.inf, -1.0, 0.0, 0.5, 1.0, torch.inf])


tables = st.integers(1, 12).flatmap(
    lambda n: st.lists(st.lists(scores, min_size=n, max_size=n), min_size=1, max_size=5)
)


@pytest.fixture(params=["", "numpy"], autouse=True)
def compiled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the kernels, where they are compiled, and without."""
    monkeypatch.setenv("RECPRUNE_KERNELS", request.param)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 6), tables)
def test_it_lists_what_a_full_sort_lists(k: int, rows: list[list[float]]) -> None:
    assert top_k(torch.tensor(rows), k).tolist() == [slow(row, k) for row in rows]


def test_many_equal_scores_come_by_number() -> None:
    row = torch.zeros(1, 5000)
    row[0, 4000] = 1
    assert top_k(row, 4).tolist() == [[4000, 0, 1, 2]]


@pytest.mark.parametrize("place", [0, 3])
def test_nan_is_refused(place: int) -> None:
    row = torch.zeros(1, 5)
    row[0, place] = -torch.nan
    with pytest.raises(DataError, match="NaN"):
        top_k(row, 2)


def test_a_k_below_one_is_refused() -> None:
    with pytest.raises(DataError) as caught:
        top_k(torch.zeros(1, 5), 0)
    assert caught.value.k == 0
