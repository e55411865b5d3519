"""Small splits and models whose scores are chosen by the test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recprune.data.dataset import Dataset, Split
from recprune.data.vocabulary import Vocabulary

Pairs = Mapping[int, Sequence[int]]


class Table(nn.Module):
    """Scores of all items from a fixed (n_users, n_items) table."""

    columns = ("user",)

    def __init__(self, scores: Tensor) -> None:
        super().__init__()
        self.scores = nn.Parameter(scores.float(), requires_grad=False)

    def forward(self, user: Tensor) -> Tensor:
        return self.scores[user]


class Logit(nn.Module):
    """A row's logit is its column `x`."""

    columns = ("x",)

    def forward(self, x: Tensor) -> Tensor:
        return x


def vocabulary(column: str, rows: int) -> Vocabulary:
    return Vocabulary(column, [str(code) for code in range(1, rows)])


def dataset(pairs: Pairs, n_users: int, n_items: int) -> Dataset:
    users = np.array([u for u, items in pairs.items() for _ in items], dtype=np.int32)
    items = np.array([i for items in pairs.values() for i in items], dtype=np.int32)
    columns = {"user": users, "item": items}
    return Dataset(columns, {"user": vocabulary("user", n_users), "item": vocabulary("item", n_items)})


@pytest.fixture
def make_split() -> Callable[..., Split]:
    def make(train: Pairs, test: Pairs, valid: Pairs | None = None, n_users: int = 4, n_items: int = 30) -> Split:
        parts = (dataset(part or {}, n_users, n_items) for part in (train, valid, test))
        return Split(*parts)

    return make


@pytest.fixture
def make_table() -> Callable[[Tensor], nn.Module]:
    return Table


@pytest.fixture
def logit_model() -> nn.Module:
    return Logit()


@pytest.fixture
def make_rows() -> Callable[..., Split]:
    def make(scores: Sequence[float], labels: Sequence[float], name: str = "label") -> Split:
        columns = {"x": np.asarray(scores, dtype=np.float32), name: np.asarray(labels, dtype=np.float32)}
        rows = Dataset(columns, {})
        return Split(rows, rows.take(np.zeros(0, dtype=np.int64)), rows)

    return make


@pytest.fixture
def random_split(make_split: Callable[..., Split]) -> Split:
    rng = np.random.default_rng(0)
    parts: list[dict[int, list[int]]] = [{}, {}]
    for user in range(1, 60):
        items = rng.permutation(np.arange(1, 80))
        cut, end = rng.integers(0, 12), rng.integers(12, 40)
        parts[0][user], parts[1][user] = items[:cut].tolist(), items[cut:end].tolist()
    return make_split(parts[0], parts[1], n_users=61, n_items=80)


@pytest.fixture
def random_table(make_table: Callable[[Tensor], nn.Module]) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    return make_table(torch.randint(0, 25, (61, 80), generator=generator))
