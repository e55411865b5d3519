"""Whom a model can no longer serve, worked by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from recprune.data.dataset import Dataset, Split
from recprune.data.vocabulary import Vocabulary
from recprune.evaluation.compare import compare
from recprune.evaluation.evaluate import evaluate
from recprune.evaluation.reach import Reach, fallen

Tables = Callable[[Tensor], nn.Module]
Splits = Callable[..., Split]
INF = float("inf")


def test_items_that_left_and_items_in_nobodys_list_are_counted(make_table: Tables, make_split: Splits) -> None:
    """Users 1 and 2 want 1, 3 and 3, 4, 5; item 3 left (codes 1, 2, 4, 5 are 1, 2, 3, 4 now); lists of one item."""
    split = make_split({}, {1: [1, 3], 2: [3, 4, 5]}, n_users=3, n_items=6)
    small = make_table(torch.tensor([[0, 0, 0, 0, 0], [0, 9, 1, 1, 1], [0, 9, 1, 1, 1]]))
    found = evaluate(small, split, k=1, renumber={"item": np.array([0, 1, 2, 0, 3, 4])})
    assert found.reach == Reach(items=4, pairs=5, unreachable=1, unreachable_pairs=2, unlisted=3)


def test_an_item_that_scores_minus_infinity_for_all_is_unreachable_and_for_one_is_not(
    make_table: Tables, make_split: Splits
) -> None:
    split = make_split({}, {1: [1, 2], 2: [2, 3]}, n_users=3, n_items=4)
    table = make_table(torch.tensor([[0.0] * 4, [0, -INF, -INF, 2], [0, -INF, 3, 1]]))
    assert evaluate(table, split, k=3).reach == Reach(3, 4, unreachable=1, unreachable_pairs=1, unlisted=1)


def test_an_item_that_every_user_has_seen_is_not_unreachable(make_table: Tables, make_split: Splits) -> None:
    """It is masked for those who have it; the model would recommend it to the next one."""
    split = make_split({1: [1], 2: [1]}, {1: [2], 2: [2]}, n_users=3, n_items=3)
    assert evaluate(make_table(torch.ones(3, 3)), split, k=1).reach == Reach(1, 2, 0, 0, 0)


def test_users_whose_id_left_are_counted(make_table: Tables, make_split: Splits) -> None:
    split = make_split({}, {1: [1], 2: [2], 3: [1]}, n_users=4, n_items=3)
    small = make_table(torch.tensor([[0, 1, 1], [0, 1, 2]]))
    codes = {"user": np.array([0, 0, 1, 0])}
    assert evaluate(small, split, k=1, renumber=codes).fallen == {"user": 2}
    assert evaluate(make_table(torch.ones(4, 3)), split, k=1).fallen == {}


def test_rows_with_an_id_that_left_are_counted_column_by_column() -> None:
    columns = {
        "item": np.array([0, 1, 2, 2]),
        "tags": np.array([[1, 0], [2, 2], [1, 2], [0, 0]]),
        "price": np.array([1.0, 2.0, 2.0, 2.0]),
    }
    codes = {"item": np.array([0, 1, 0]), "tags": np.array([0, 0, 1]), "price": np.array([0, 0, 0])}
    assert fallen(columns, codes) == {"item": 2, "tags": 2}  # the unknown id, row 0, did not leave
    assert fallen(columns, None) == {}


class Clicks(nn.Module):
    columns = ("item",)

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.item = nn.Embedding(rows, 1)

    def forward(self, item: Tensor) -> Tensor:
        return self.item(item)[:, 0]


def test_a_comparison_says_who_lost(make_table: Tables, make_split: Splits) -> None:
    split = make_split({1: [2], 2: [2]}, {1: [1, 3], 2: [3, 4]}, n_users=3, n_items=5)
    big, small = make_table(torch.ones(3, 5)), make_table(torch.ones(3, 4))
    codes = {"after": {"item": np.array([0, 1, 2, 0, 3])}}
    said = compare(big, small, split, k=2, repeats=0, bootstrap=50, renumber=codes).verdict()
    assert "Of 3 test items 1 can no longer be recommended to anybody (50.0% of the test pairs; before 0)" in said
    assert "coverage@2: 0.5000 → 0.5000" in said


def test_a_comparison_of_clicks_says_how_many_rows_lost_an_id() -> None:
    item = np.array([1, 2, 3, 3, 1, 2, 1, 3], dtype=np.int32)
    columns = {"item": item, "label": np.array([0, 1, 1, 0, 1, 0, 1, 0], dtype=np.float32)}
    rows = Dataset(columns, {"item": Vocabulary("item", ["a", "b", "c"])})
    split = Split(rows, rows.take(np.zeros(0, dtype=np.int64)), rows)
    codes = {"after": {"item": np.array([0, 1, 2, 0])}}
    found = compare(Clicks(4), Clicks(3), split, repeats=0, bootstrap=50, renumber=codes)
    assert (found.before.fallen, found.after.fallen) == ({}, {"item": 3})
    assert "37.5% of the 8 rows hold an id of item that left." in found.verdict()
    assert found.after.reach is None
