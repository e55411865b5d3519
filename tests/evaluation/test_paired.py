"""Errors and intervals against slow, obvious loops."""

from __future__ import annotations

import numpy as np
import pytest

from recprune.evaluation.paired import bootstrap, standard_error
from recprune.evaluation.scores import Part


@pytest.fixture
def sides() -> tuple[Part, Part]:
    rng = np.random.default_rng(0)
    first = rng.random(200)
    return Part(first), Part(first + rng.normal(0.05, 0.2, 200))


def test_the_error_of_a_mean_is_that_of_the_paired_differences(sides: tuple[Part, Part]) -> None:
    change = sides[1].values - sides[0].values
    assert standard_error("recall@20", *sides) == pytest.approx(change.std(ddof=1) / 200**0.5, rel=1e-12)


def test_the_interval_is_that_of_a_loop_over_replicates(sides: tuple[Part, Part]) -> None:
    found = bootstrap(
        ["recall@20"], {"recall@20": sides[0]}, {"after": {"recall@20": sides[1]}}, replicates=300, seed=3
    )
    change, rng = sides[1].values - sides[0].values, np.random.default_rng(3)
    means = [change[row].mean() for row in rng.integers(200, size=(300, 200))]
    assert found["after", "recall@20"] == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])), abs=1e-12)


@pytest.mark.parametrize("metric", ["precision", "rmse"])
def test_the_error_of_a_ratio_and_of_a_root_is_near_that_of_a_bootstrap(metric: str) -> None:
    rng = np.random.default_rng(1)

    def part() -> Part:
        said = (rng.random(2000) < 0.4).astype(float)
        return (
            Part(said * (rng.random(2000) < 0.7), said) if metric == "precision" else Part(rng.normal(size=2000) ** 2)
        )

    before, after = part(), part()
    low, high = bootstrap([metric], {metric: before}, {"after": {metric: after}}, replicates=2000, seed=0)[
        "after", metric
    ]
    assert standard_error(metric, before, after) == pytest.approx((high - low) / (2 * 1.96), rel=0.1)


def test_an_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng, held = np.random.default_rng(5), 0
    for seed in range(200):
        first = rng.normal(size=60)
        parts = {"m": Part(first)}, {"after": {"m": Part(first + rng.normal(0.1, 1, 60))}}
        low, high = bootstrap(["m"], *parts, replicates=300, seed=seed)["after", "m"]
        held += low <= 0.1 <= high
    assert 176 <= held <= 200  # 95 % of 200 is 190


def test_draws_do_not_depend_on_the_other_models(sides: tuple[Part, Part]) -> None:
    one = bootstrap(["m"], {"m": sides[0]}, {"a": {"m": sides[1]}}, replicates=50, seed=0)
    both = bootstrap(["m"], {"m": sides[0]}, {"b": {"m": sides[0]}, "a": {"m": sides[1]}}, replicates=50, seed=0)
    assert both["a", "m"] == pytest.approx(one["a", "m"], abs=1e-12)
    assert both["b", "m"] == (0, 0)
