"""Click metrics against scikit-learn, and where they say nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import expit
from sklearn import metrics

from recprune.errors import DataError
from recprune.evaluation.clicks import auc, click_scores, delong


@pytest.fixture
def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 500).astype(float)
    return np.round(rng.normal(labels - 0.5), 1), labels  # rounded: many ties


def test_metrics_equal_those_of_scikit_learn(rows: tuple[np.ndarray, np.ndarray]) -> None:
    logits, labels = rows
    found = click_scores(logits, labels).mean
    said, chance = expit(logits) >= 0.5, expit(logits)
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(labels, logits), abs=1e-12)
    assert found["logloss"] == pytest.approx(metrics.log_loss(labels, chance), abs=1e-9)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(labels, said))
    assert found["precision"] == pytest.approx(metrics.precision_score(labels, said))
    assert found["recall"] == pytest.approx(metrics.recall_score(labels, said))
    assert found["f1"] == pytest.approx(metrics.f1_score(labels, said))


def test_auc_counts_pairs_with_ties_as_one_half() -> None:
    scores, labels = np.array([1.0, 2.0, 2.0, 3.0]), np.array([0.0, 1.0, 0.0, 1.0])
    pairs = [(p > n) + 0.5 * (p == n) for p in (2.0, 3.0) for n in (1.0, 2.0)]
    assert auc(scores, labels) == sum(pairs) / 4


def test_a_logit_too_large_for_a_probability_still_has_a_finite_logloss() -> None:
    found = click_scores(np.array([800.0, -800.0]), np.array([0.0, 0.0]))
    assert found.mean["logloss"] == pytest.approx(400)


@pytest.mark.parametrize(("label", "silent"), [(0.0, {"auc", "precision", "recall", "f1"}), (1.0, {"auc"})])
def test_one_class_only_gives_no_number_and_a_reason(label: float, silent: set[str]) -> None:
    found = click_scores(np.array([1.0, -1.0, 2.0]), np.full(3, label))
    assert {name for name, value in found.mean.items() if value is None} == silent
    assert set(found.why) == silent


def test_nothing_predicted_positive_leaves_precision_unsaid() -> None:
    found = click_scores(np.array([-1.0, -2.0]), np.array([0.0, 1.0]))
    assert (found.mean["precision"], found.mean["recall"], found.mean["f1"]) == (None, 0, 0)


@pytest.mark.parametrize(
    ("logits", "labels", "match"),
    [([], [], "empty"), ([np.nan], [1], "NaN"), ([0.0], [-1], "labels are 0 or 1"), ([[0.0]], [1], "one logit a row")],
)
def test_what_is_no_logit_or_no_label_is_refused(logits: list[float], labels: list[float], match: str) -> None:
    with pytest.raises(DataError, match=match):
        click_scores(np.array(logits), np.array(labels))


def test_delong_gives_the_difference_and_the_error_of_the_slow_definition(rows: tuple[np.ndarray, np.ndarray]) -> None:
    first, labels = rows
    second = np.round(first + np.random.default_rng(1).normal(0, 0.5, len(first)), 1)
    up, down = labels > 0, labels == 0

    def psi(scores: np.ndarray) -> np.ndarray:
        x, y = scores[up][:, None], scores[down][None, :]
        return (x > y) + 0.5 * (x == y)

    difference = psi(second) - psi(first)
    variance = difference.mean(1).var(ddof=1) / up.sum() + difference.mean(0).var(ddof=1) / down.sum()
    assert delong(first, second, labels) == pytest.approx((difference.mean(), variance**0.5), abs=1e-12)


def test_delong_of_a_model_with_itself_is_zero(rows: tuple[np.ndarray, np.ndarray]) -> None:
    assert delong(rows[0], rows[0], rows[1]) == (0, 0)


def test_an_infinite_logit_costs_nothing_where_it_is_right_and_everything_where_it_is_wrong() -> None:
    logits = np.array([np.inf, -1.0, 0.3])
    right, wrong = click_scores(logits, np.array([1, 0, 1])), click_scores(logits, np.array([0, 0, 1]))
    assert right.mean["logloss"] == pytest.approx((np.log1p(np.exp(-1)) + np.log1p(np.exp(-0.3))) / 3)
    assert wrong.mean["logloss"] == np.inf
    assert json.loads(wrong.to_json())["mean"]["logloss"] is None
    assert "Infinity" not in wrong.to_json()
