"""Several seeds become one comparison; its intervals hold what they say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import t as student
from torch import Tensor, nn

from recprune.data.dataset import Split
from recprune.errors import DataError
from recprune.evaluation.compare import compare
from recprune.evaluation.comparison import Comparison, Difference, Side
from recprune.evaluation.seeds import over_seeds

Tables = Callable[[Tensor], nn.Module]


def one(seed: int, values: np.ndarray, *, kept: bool = True, rival: np.ndarray | None = None) -> Comparison:
    """A comparison in which each case has one paired difference of ndcg@5, before being 0.5."""

    def away(of: np.ndarray) -> Difference:
        error = float(of.std(ddof=1) / len(of) ** 0.5)
        return Difference("ndcg@5", float(of.mean()), error, -1.0, 1.0, 0.005, "open")

    models = {"after": values, **({} if rival is None else {"random": rival})}
    sides = {"before": Side(1, 1, 100, {"ndcg@5": 0.5})}
    sides |= {name: Side(1, 1, 50, {"ndcg@5": 0.5 + float(of.mean())}) for name, of in models.items()}
    influence = {name: {"ndcg@5": (of - of.mean()).astype(np.float32)} for name, of in models.items()}
    return Comparison(
        sides,
        {name: (away(of),) for name, of in models.items()},
        "test",
        len(values),
        "user",
        seed,
        0,
        0.95,
        {},
        against={} if rival is None else {"random": away(values - rival)},
        influence=influence if kept else {},
    )


def drawn(rng: np.random.Generator, truth: float, users: float, seeds: float, both: float) -> list[Comparison]:
    of_user = rng.normal(0, users, 80)
    return [one(s, truth + of_user + rng.normal(0, seeds) + rng.normal(0, both, 80)) for s in range(3)]


def test_mean_and_error_are_those_of_the_formula() -> None:
    rng = np.random.default_rng(0)
    values = [rng.normal(0.01 * s, 0.1, 200) for s in range(3)]
    found = over_seeds([one(s, v) for s, v in enumerate(values)]).difference("ndcg@5")
    u = np.mean(values, axis=0).var(ddof=1) / 200
    b = np.var([v.mean() for v in values], ddof=1) / 3
    reach = (student.ppf(0.975, 199) ** 2 * u + student.ppf(0.975, 2) ** 2 * b) ** 0.5
    assert found.value == pytest.approx(np.mean(values))
    assert found.standard_error == pytest.approx((u + b) ** 0.5, rel=1e-5)
    assert found.high - found.value == pytest.approx(reach, rel=1e-5)


@pytest.mark.parametrize("spread", [(0.1, 0.0, 0.0), (0.0, 0.05, 0.1), (0.1, 0.02, 0.1), (0.02, 0.05, 0.02)])
def test_an_interval_holds_the_truth_at_least_as_often_as_it_says(spread: tuple[float, float, float]) -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        found = over_seeds(drawn(rng, 0.03, *spread)).difference("ndcg@5")
        held += found.low <= 0.03 <= found.high
    assert held >= 366  # 95 % of 400 is 380, three standard deviations below it 367


def test_users_alone_would_claim_too_much_where_seeds_differ() -> None:
    """The interval of one seed misses the truth most of the time; that over seeds does not."""
    rng, alone, together = np.random.default_rng(2), 0, 0
    for _ in range(200):
        runs = drawn(rng, 0.0, 0.02, 0.05, 0.02)
        first, found = runs[0].difference("ndcg@5"), over_seeds(runs).difference("ndcg@5")
        alone += abs(first.value) <= 1.96 * first.standard_error
        together += found.low <= 0 <= found.high
    assert alone < 60
    assert together >= 180


def test_what_is_read_from_text_has_wider_intervals_and_the_same_means() -> None:
    rng = np.random.default_rng(3)
    runs = drawn(rng, 0.0, 0.0, 0.0, 0.1)
    exact = over_seeds(runs).difference("ndcg@5")
    read = over_seeds([Comparison.from_json(run.to_json()) for run in runs]).difference("ndcg@5")
    assert read.value == exact.value
    assert read.standard_error > exact.standard_error


def test_better_equal_worse_and_not_told_apart() -> None:
    rng = np.random.default_rng(4)
    cases = {"better": (0.05, 1e-3), "equal": (0.0, 1e-3), "worse": (-0.05, 1e-3), "open": (0.0, 0.5)}
    for verdict, (shift, noise) in cases.items():
        found = over_seeds([one(s, rng.normal(shift, noise, 100)) for s in range(3)])
        assert found.difference("ndcg@5").verdict == verdict
        assert "over 3 seeds" in found.sentence("ndcg@5")


def test_a_rival_is_compared_on_the_same_users_and_seeds() -> None:
    """A user who is hard is hard for both, so that what they share is in neither interval."""
    rng = np.random.default_rng(5)
    shared = rng.normal(0, 1, 100)
    runs = [one(s, shared + 0.1, rival=shared + rng.normal(0, 1e-3, 100)) for s in range(3)]
    found = over_seeds(runs)
    assert found.difference("ndcg@5").verdict == "open"
    assert found.against["random"].verdict == "better"
    assert "random" in found.verdict()


def test_a_rival_that_one_seed_lacks_is_left_out_and_said() -> None:
    values = np.random.default_rng(0).normal(size=20)
    found = over_seeds([one(0, values, rival=values), one(1, values)])
    assert list(found.sides) == ["before", "after"]
    assert found.without == {"random": "not made for every seed"}


def test_sides_are_means_and_keep_their_spread(random_split: Split, make_table: Tables) -> None:
    tables = [make_table(torch.rand(61, 80, generator=torch.Generator().manual_seed(s))) for s in range(4)]
    runs = [compare(tables[0], tables[1 + s], random_split, k=5, repeats=2, bootstrap=50, seed=s) for s in range(3)]
    found = over_seeds(runs)
    each = [run.after.metrics["coverage@5"] for run in runs]
    assert found.after.metrics["coverage@5"] == pytest.approx(np.mean(each))
    assert found.after.spread["coverage@5"] == pytest.approx(np.std(each, ddof=1))
    assert found.difference("coverage@5").verdict == "not tested"
    assert found.difference("coverage@5").value == pytest.approx(np.mean(each) - runs[0].before.metrics["coverage@5"])
    assert len(found.after.request.samples) == 6
    assert found.seeds == (0, 1, 2)
    assert Comparison.from_json(found.to_json()) == found
    assert "times as fast" in found.verdict()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda a: [a],
        lambda a: [a, a],
        lambda a: [a, replace(a, seed=1, cases=3)],
        lambda a: [a, replace(a, seed=1, sides={n: replace(s, metrics={"auc": 0.5}) for n, s in a.sides.items()})],
    ],
)
def test_what_does_not_belong_together_is_refused(spoil: Callable[[Comparison], list[Comparison]]) -> None:
    with pytest.raises(DataError, match="seed"):
        over_seeds(spoil(one(0, np.random.default_rng(0).normal(size=20))))
