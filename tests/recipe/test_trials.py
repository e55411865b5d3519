import numpy as np
import pytest
import torch
from torch import nn

from recprune.data.dataset import Dataset, Roles, Split
from recprune.data.vocabulary import Vocabulary
from recprune.evaluation.clicks import auc
from recprune.recipe.stages import silent
from recprune.recipe.trials import MOST, Trials, judged


class Said(nn.Module):
    """Gives the same logits whatever comes in, row by row."""

    def __init__(self, columns: tuple[str, ...], logits: np.ndarray) -> None:
        super().__init__()
        self.columns = columns
        self.logits = nn.Parameter(torch.from_numpy(logits.astype(np.float32)))
        self.at = 0

    def forward(self, *columns: torch.Tensor) -> torch.Tensor:
        begin, self.at = self.at, (self.at + len(columns[0])) % len(self.logits)
        return self.logits[begin : begin + len(columns[0])]


ROWS = 400
LABEL = (np.random.default_rng(0).random(ROWS) < 0.5).astype(np.float32)


def split(answer: str = "label") -> Split:
    columns = {name: np.ones(ROWS, dtype=np.int32) for name in ("a", "b")}
    vocabularies = {name: Vocabulary(name, ["x"]) for name in columns}
    whole = Dataset({**columns, answer: LABEL}, vocabularies, Roles(categorical=("a", "b")))
    return Split(whole, whole, whole.take(np.zeros(0, dtype=np.int64)))


def noisy(strength: float, seed: int) -> np.ndarray:
    return strength * LABEL + np.random.default_rng(seed).normal(size=ROWS)


def trials(strengths, left=(), answer: str = "label", first: int = 0):
    """The n-th training knows the label as well as the n-th strength says."""
    asked = []

    def build_and_fit(part: Split, seed: int) -> nn.Module:
        asked.append((part.train.fields, seed))
        return Said(part.train.fields, noisy(strengths[seed - first], seed + 10 * len(left)))

    return Trials(build_and_fit, split(answer), dict.fromkeys(left, "why"), first, silent), asked


def test_where_the_second_is_as_good_one_training_of_each_is_enough() -> None:
    before, asked = trials([1.0])
    after, others = trials([1.2], left=("a",))
    gain, error, worse = judged(before, after, split().valid, 0.95)
    assert not worse
    assert gain == pytest.approx(
        auc(after.model.logits.detach().double().numpy(), LABEL)
        - auc(before.model.logits.detach().double().numpy(), LABEL)
    )
    assert 0.01 < error < 0.1
    assert (asked, others) == ([(("a", "b"), 0)], [(("b",), 0)])


def test_one_that_is_worse_every_time_is_worse() -> None:
    before, asked = trials([2.0, 2.0, 2.0])
    after, others = trials([0.5, 0.5, 0.5], left=("a",))
    gain, _, worse = judged(before, after, split().valid, 0.95)
    assert worse
    assert gain < -0.1
    assert [seed for _, seed in asked] == [seed for _, seed in others] == list(range(MOST))


def test_one_that_went_ill_once_is_not_and_the_spread_is_in_the_error() -> None:
    before, _ = trials([1.0, 1.0, 1.0])
    after, _ = trials([0.0, 1.1, 1.1], left=("a",))
    gain, error, worse = judged(before, after, split().valid, 0.95)
    assert not worse
    assert gain < 0
    assert error > 0.05


def test_trainings_that_are_there_are_not_made_again() -> None:
    before, asked = trials([2.0, 2.0, 2.0], first=5)
    for _ in range(2):
        after, _ = trials([0.2, 0.2, 0.2], left=("a",), first=5)
        judged(before, after, split().valid, 0.95)
    assert [seed for _, seed in asked] == [5, 6, 7]


def test_of_ratings_the_fall_of_the_mean_squared_error_is_the_gain() -> None:
    before, _ = trials([1.0], answer="rating")
    after, _ = trials([1.0], left=("a",), answer="rating")
    gain, error, _ = judged(before, after, split("rating").valid, 0.95)
    first, second = (one.model.logits.detach().double().numpy() for one in (before, after))
    better = (first - LABEL) ** 2 - (second - LABEL) ** 2
    assert gain == pytest.approx(better.mean())
    assert error == pytest.approx(better.std(ddof=1) / ROWS**0.5)
