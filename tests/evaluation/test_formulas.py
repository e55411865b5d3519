"""Every metric says what it means."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import nn

from recprune.data.dataset import Split
from recprune.errors import DataError
from recprune.evaluation.evaluate import evaluate
from recprune.evaluation.formulas import FORMULAS, formula


def test_every_metric_that_evaluate_gives_has_a_formula(
    random_split: Split, random_table: nn.Module, logit_model: nn.Module, make_rows: Callable[..., Split]
) -> None:
    names = {name.replace("@20", "@k") for name in evaluate(random_table, random_split).mean}
    names |= set(evaluate(logit_model, make_rows([0, 1], [0, 1])).mean)
    names |= set(evaluate(logit_model, make_rows([0, 1], [2, 1], name="rating")).mean)
    assert names == set(FORMULAS)


def test_a_formula_holds_the_number_of_its_name() -> None:
    assert "first 7 " in formula("recall@7")


@pytest.mark.parametrize("name", ["ndcg", "auc@5", "ndcg@", "ndcg@-1", "accurracy"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(DataError) as caught:
        formula(name)
    assert caught.value.metric == name
