"""Lists, and their metrics against a hand-worked answer and ir-measures."""

from __future__ import annotations

from collections.abc import Callable

import ir_measures
import numpy as np
import pytest
import torch
from ir_measures import AP, MRR, P, R, Success, nDCG
from torch import Tensor, nn

from recprune.data.dataset import Split
from recprune.errors import DataError
from recprune.evaluation import ranking
from recprune.evaluation.evaluate import evaluate
from recprune.evaluation.ranking import METRICS, rank

Tables = Callable[[Tensor], nn.Module]
Splits = Callable[..., Split]


def test_precision_and_recall_as_worked_by_hand(make_table: Tables, make_split: Splits) -> None:
    """A: 1 test item, hit; B: 20 test items, 5 of the ten listed are among them."""
    scores = torch.zeros(4, 30)
    scores[1, 1:11] = torch.arange(10, 0, -1)
    scores[2, 1:11] = torch.arange(10, 0, -1)
    split = make_split({1: [29], 2: [29]}, {1: [1], 2: [1, 2, 3, 4, 5, *range(11, 26)]})
    found = evaluate(make_table(scores), split, k=10)
    assert found.mean["precision@10"] == pytest.approx((1 / 10 + 5 / 10) / 2, abs=1e-12)
    assert found.mean["recall@10"] == pytest.approx((1 + 5 / 20) / 2, abs=1e-12)
    f1 = [2 * 0.1 * 1 / 1.1, 2 * 0.5 * 0.25 / 0.75]
    assert found.per_case["f1@10"] == pytest.approx(f1)
    assert found.mean["f1@10"] == pytest.approx(sum(f1) / 2)
    assert found.cases.tolist() == [1, 2]


@pytest.mark.parametrize("k", [1, 5, 20])
def test_metrics_equal_those_of_ir_measures(random_split: Split, random_table: nn.Module, k: int) -> None:
    found = evaluate(random_table, random_split, k=k)
    test, cases = random_split.test, found.cases
    qrels = [ir_measures.Qrel(str(u), str(i), 1) for u, i in zip(test["user"], test["item"], strict=True)]
    run = [
        ir_measures.ScoredDoc(str(user), str(item), float(k - place))
        for user, row in zip(cases, found.raw["top"], strict=True)
        for place, item in enumerate(row)
        if item
    ]
    names = {P @ k: "precision", R @ k: "recall", nDCG @ k: "ndcg", MRR @ k: "mrr", AP @ k: "map", Success @ k: "hit"}
    theirs: dict[str, dict[str, float]] = {name: {} for name in names.values()}
    for one in ir_measures.iter_calc(list(names), qrels, run):
        theirs[names[one.measure]][one.query_id] = one.value
    counts = np.bincount(test["user"])[cases]
    for name, values in theirs.items():
        other = np.array([values[str(user)] for user in cases])
        if name == "map":  # theirs divides by all test items, ours by min(k, test items)
            other = other * counts / np.minimum(counts, k)
        assert found.per_case[f"{name}@{k}"] == pytest.approx(other, abs=1e-9), name


def test_an_ideal_list_has_one_in_every_metric_that_allows_it() -> None:
    hits = np.array([[True, True, False, False], [True, True, True, True]])
    counts = np.array([2, 9])
    for name in ("ndcg", "mrr", "map", "hit"):
        assert METRICS[name](hits, counts) == pytest.approx([1, 1]), name
    assert METRICS["recall"](hits, counts) == pytest.approx([1, 4 / 9])


def test_train_items_and_the_unknown_item_are_never_listed(random_split: Split, random_table: nn.Module) -> None:
    histories = random_split.train.histories()
    users = np.arange(1, 60)
    top = rank(random_table, histories, users, 70)
    for user, row in zip(users, top, strict=True):
        listed = row[row > 0]
        assert not set(listed) & set(histories.items[histories.starts[user] : histories.starts[user + 1]])
        assert len(set(listed)) == len(listed)
        assert len(listed) == min(70, 79 - histories.counts()[user])


def test_lists_do_not_depend_on_the_batch(
    random_split: Split, random_table: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    histories, users = random_split.train.histories(), np.arange(1, 60)
    whole = rank(random_table, histories, users, 10)
    assert (rank(random_table, histories, users, 10, batch=7) == whole).all()
    monkeypatch.setattr(ranking, "BLOCK", 100)  # one user at a time
    assert (rank(random_table, histories, users, 10) == whole).all()


def test_ranking_leaves_the_model_in_the_mode_it_was(random_split: Split, random_table: nn.Module) -> None:
    random_table.train()
    rank(random_table, random_split.train.histories(), np.arange(3), 3)
    assert random_table.training


def test_a_model_of_another_number_of_items_is_refused(random_split: Split, make_table: Tables) -> None:
    with pytest.raises(DataError, match="another vocabulary") as caught:
        rank(make_table(torch.zeros(61, 81)), random_split.train.histories(), np.arange(1, 3), 3)
    assert caught.value.shape == (2, 81)


def test_a_model_that_ids_have_left_is_judged_in_the_old_codes(make_table: Tables, make_split: Splits) -> None:
    """Items 2 and 4 of 1..5 left: old 1, 3, 5 are 1, 2, 3 now. User 2 left and is answered by row 0."""
    renumber = {"item": np.array([0, 1, 0, 2, 0, 3]), "user": np.array([0, 1, 0])}
    small = make_table(torch.tensor([[0, 1, 2, 3], [0, 3, 2, 1]]))
    split = make_split({1: [1, 2], 2: [3]}, {1: [3, 4], 2: [5]}, n_users=3, n_items=6)
    found = evaluate(small, split, k=2, renumber=renumber)
    assert found.raw["top"].tolist() == [[3, 5], [5, 1]]
    assert found.per_case["recall@2"].tolist() == [0.5, 1.0]


class Constant(nn.Module):
    """Scores are its own numbers, the same for every user, and no copy of them."""

    columns = ("history",)

    def __init__(self, n_items: int) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.arange(n_items).float())

    def forward(self, history: Tensor) -> Tensor:
        return self.scores.expand(len(history), -1)


@pytest.mark.parametrize("batch", [1, 64])
def test_the_numbers_of_a_model_that_gives_them_as_they_are_stay_as_they_are(random_split: Split, batch: int) -> None:
    model = Constant(random_split.train.n_items)
    before = model.scores.detach().clone()
    found = evaluate(model, random_split, batch=batch)
    assert torch.equal(model.scores, before)
    assert found.mean == evaluate(model, random_split, batch=2).mean
