"""Which users and rows count, and what is known before."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recprune.data.dataset import Dataset, Split
from recprune.errors import DataError
from recprune.evaluation.evaluate import evaluate

Tables = Callable[[Tensor], nn.Module]
Splits = Callable[..., Split]


def test_every_user_with_a_test_item_counts_even_without_a_history(make_table: Tables, make_split: Splits) -> None:
    scores = torch.arange(30).repeat(4, 1)
    found = evaluate(make_table(scores), make_split({1: [1]}, {1: [29], 3: [28]}), k=2)
    assert found.cases.tolist() == [1, 3]
    assert found.per_case["ndcg@2"] == pytest.approx([1, 1 / np.log2(3)])


def test_validation_items_are_known_when_testing_and_only_then(make_table: Tables, make_split: Splits) -> None:
    scores = torch.arange(30).repeat(4, 1)
    split = make_split({1: [29]}, {1: [27]}, {1: [28]})
    assert evaluate(make_table(scores), split, "valid", k=1).mean["hit@1"] == 1
    assert evaluate(make_table(scores), split, "test", k=1).mean["hit@1"] == 1


def test_items_known_before_are_no_test_items_unless_repeats_are_meant(make_table: Tables, make_split: Splits) -> None:
    scores = torch.arange(30).repeat(4, 1)
    split = make_split({1: [29, 28], 2: [29]}, {1: [29, 27], 2: [29]})
    found = evaluate(make_table(scores), split, k=1)
    assert found.cases.tolist() == [1]
    assert found.mean["recall@1"] == 1
    assert found.left_out == {"items known before": 2, "users left without a test item": 1}
    again = evaluate(make_table(scores), split, k=1, mask_seen=False)
    assert again.per_case["recall@1"].tolist() == [0.5, 1.0]
    assert not again.left_out


def test_an_item_twice_in_the_test_is_one_test_item(make_table: Tables, make_split: Splits) -> None:
    scores = torch.arange(30).repeat(4, 1)
    found = evaluate(make_table(scores), make_split({}, {1: [29, 29, 5]}), k=1)
    assert found.mean["recall@1"] == 0.5


def test_an_unknown_item_is_a_miss_and_an_unknown_user_is_left_out(make_table: Tables, make_split: Splits) -> None:
    scores = torch.arange(30).repeat(4, 1)
    found = evaluate(make_table(scores), make_split({}, {0: [29], 1: [29, 0, 0]}), k=1)
    assert found.mean["recall@1"] == pytest.approx(1 / 3)
    assert found.left_out == {"rows of unknown users": 1}


def test_coverage_and_tail_recall_as_worked_by_hand(make_table: Tables, make_split: Splits) -> None:
    """Item 1 has 4 of 5 interactions, item 2 one: the tail of 20 % is item 2 and what nobody had."""
    scores = torch.zeros(7, 5)
    scores[:, 1:] = torch.tensor([4, 3, 2, 1])
    split = make_split({u: [1] for u in (1, 2, 3, 4)} | {5: [2]}, {1: [2, 4], 5: [1], 6: [1, 3]}, n_users=7, n_items=5)
    found = evaluate(make_table(scores), split, k=1)
    assert found.raw["top"].tolist() == [[2], [1], [1]]
    assert found.mean["coverage@1"] == 2 / 4
    assert found.mean["tail_recall@1"] == pytest.approx((1 / 2 + 0) / 2)
    assert np.isnan(found.per_case["tail_recall@1"]).tolist() == [False, True, False]


def test_no_tail_item_in_the_test_gives_a_reason_and_no_number(make_table: Tables, make_split: Splits) -> None:
    split = make_split({1: [1], 2: [1], 3: [2]}, {3: [1]}, n_items=3)
    found = evaluate(make_table(torch.zeros(4, 3)), split, k=1, tail=0.1)
    assert found.mean["tail_recall@1"] is None
    assert "rarest" in found.why["tail_recall@1"]


def test_a_part_without_rows_is_refused(make_table: Tables, make_split: Splits) -> None:
    with pytest.raises(DataError, match="valid part is empty"):
        evaluate(make_table(torch.zeros(4, 30)), make_split({1: [1]}, {1: [2]}), "valid")
    with pytest.raises(DataError, match="no user has a test item"):
        evaluate(make_table(torch.zeros(4, 30)), make_split({1: [1]}, {1: [1]}))


def test_a_wrong_part_is_refused(make_table: Tables, make_split: Splits) -> None:
    with pytest.raises(DataError) as caught:
        evaluate(make_table(torch.zeros(4, 30)), make_split({1: [1]}, {1: [2]}), "tset")
    assert caught.value.part == "tset"


def test_rows_with_a_label_are_clicks_and_rows_with_a_rating_are_ratings(
    logit_model: nn.Module, make_rows: Callable[..., Split]
) -> None:
    clicks = evaluate(logit_model, make_rows([-1, 2], [0, 1]), batch=1)
    assert (clicks.mean["auc"], clicks.mean["accuracy"], clicks.unit) == (1, 1, "row")
    ratings = evaluate(logit_model, make_rows([3, 5], [4, 1], name="rating"))
    assert ratings.mean["rmse"] == pytest.approx(((1 + 16) / 2) ** 0.5)


def test_rows_with_nothing_to_judge_by_are_refused(logit_model: nn.Module) -> None:
    rows = Dataset({"x": np.zeros(2, dtype=np.float32)}, {})
    with pytest.raises(DataError, match="with_negatives"):
        evaluate(logit_model, Split(rows, rows, rows))


def test_a_module_that_names_no_columns_is_refused(make_rows: Callable[..., Split]) -> None:
    with pytest.raises(DataError, match="columns"):
        evaluate(nn.Linear(1, 1), make_rows([0], [1]))


def test_scores_as_text_hold_reasons_and_formulas(logit_model: nn.Module, make_rows: Callable[..., Split]) -> None:
    told = json.loads(evaluate(logit_model, make_rows([-1, 2], [1, 1])).to_json())
    assert told["mean"]["auc"] is None
    assert "all 2 labels are 1" in told["why"]["auc"]
    assert told["formulas"]["auc"].startswith("share of (positive, negative) pairs")
    assert told["cases"] == 2
