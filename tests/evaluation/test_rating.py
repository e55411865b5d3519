"""Rating metrics against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from recprune.errors import DataError
from recprune.evaluation.rating import rating_scores


def test_metrics_equal_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=50), rng.integers(1, 6, 50)
    found = rating_scores(x, y).mean
    assert found["rmse"] == pytest.approx(metrics.root_mean_squared_error(y, x))
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(y, x))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_rating_that_is_no_number_is_refused_by_its_row(bad: float) -> None:
    with pytest.raises(DataError) as caught:
        rating_scores(np.zeros(3), np.array([1, 2, bad]))
    assert caught.value.row == 2


def test_no_rows_are_refused() -> None:
    with pytest.raises(DataError, match="empty"):
        rating_scores(np.zeros(0), np.zeros(0))
