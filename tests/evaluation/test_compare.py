"""Before and after on the same cases, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from recprune.data.dataset import Split
from recprune.errors import DataError
from recprune.evaluation.compare import compare, verdict_of
from recprune.evaluation.comparison import Comparison
from recprune.evaluation.evaluate import evaluate
from recprune.evaluation.size import size_of
from recprune.evaluation.table import rows, table
from recprune.models.mf import MF

Tables = Callable[[Tensor], nn.Module]
Rows = Callable[..., Split]


class Scaled(nn.Module):
    columns = ("x",)

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


@pytest.fixture
def clicks(make_rows: Rows) -> Split:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 300)
    return make_rows(rng.normal(labels - 0.5), labels)


def told(split: Split, *models: nn.Module, **options: object) -> Comparison:
    return compare(*models, split, **{"repeats": 2, "bootstrap": 100, "threads": 1, "k": 5} | options)


def test_a_model_with_itself_is_equal_in_everything(random_split: Split, random_table: nn.Module) -> None:
    found = told(random_split, random_table, random_table)
    assert {one.value for one in found.differences["after"]} == {0}
    tested = {one.metric: one.verdict for one in found.differences["after"]}
    assert tested.pop("coverage@5") == "not tested"
    assert set(tested.values()) == {"equal"}
    assert (found.cases, found.unit, found.part) == (len(evaluate(random_table, random_split).cases), "user", "test")


def test_a_difference_is_the_paired_one_with_its_error(
    random_split: Split, random_table: nn.Module, make_table: Tables
) -> None:
    other = make_table(torch.randint(0, 9, (61, 80), generator=torch.Generator().manual_seed(1)))
    found = told(random_split, random_table, other).difference("recall@5")
    one, two = (evaluate(model, random_split, k=5).per_case["recall@5"] for model in (random_table, other))
    assert found.value == pytest.approx((two - one).mean())
    assert found.standard_error == pytest.approx((two - one).std(ddof=1) / len(one) ** 0.5)
    assert found.low < found.value < found.high
    assert found.margin == pytest.approx(0.01 * one.mean())


def test_a_model_that_knows_the_test_is_better_and_the_way_back_is_worse(
    random_split: Split, random_table: nn.Module, make_table: Tables
) -> None:
    scores = torch.zeros(61, 80)
    scores[random_split.test["user"], random_split.test["item"]] = 1
    good = make_table(scores)
    assert told(random_split, random_table, good).difference("ndcg@5").verdict == "better"
    assert told(random_split, good, random_table).difference("ndcg@5").verdict == "worse"


def test_a_wide_interval_around_zero_is_left_open(make_table: Tables, make_split: Callable[..., Split]) -> None:
    first, second = torch.zeros(4, 30), torch.zeros(4, 30)
    first[1, 5] = second[2, 6] = 1
    split = make_split({1: [1], 2: [1]}, {1: [5], 2: [6]})
    found = told(split, make_table(first), make_table(second), k=1)
    assert found.difference("hit@1").verdict == "open"
    assert "not told apart" in found.sentence("hit@1")


def test_lower_is_better_for_logloss_and_auc_is_by_delong(clicks: Split) -> None:
    """A larger scale changes no order, so no AUC; a much larger one makes every mistake dear."""
    found = told(clicks, Scaled(1.0), Scaled(9.0))
    assert found.difference("logloss").value > 0
    assert found.difference("logloss").verdict == "worse"
    assert "lower is better" in found.sentence("logloss")
    assert (found.difference("auc").standard_error, found.difference("auc").verdict) == (0, "equal")
    assert told(clicks, Scaled(1.0), Scaled(-1.0)).difference("auc").verdict == "worse"


def test_one_class_only_says_why_there_is_no_auc(make_rows: Rows) -> None:
    found = told(make_rows([0.1, -2, 3], [1, 1, 1]), Scaled(1.0), Scaled(2.0))
    assert (found.difference("auc").value, found.difference("auc").verdict) == (None, "not tested")
    assert "all 3 labels are 1" in found.sentence("auc")
    assert found.headline == "logloss"


def test_ratings_are_compared_too(make_rows: Rows) -> None:
    found = told(make_rows([3, 4, 5], [3, 4, 5], name="rating"), Scaled(1.0), Scaled(1.5))
    assert found.difference("rmse").verdict == "worse"


def test_rivals_stand_in_the_same_columns(random_split: Split, random_table: nn.Module, make_table: Tables) -> None:
    scores = torch.zeros(61, 80)
    scores[random_split.test["user"], random_split.test["item"]] = 1
    found = told(random_split, make_table(scores), make_table(scores), rivals={"random": random_table})
    assert list(found.rivals) == ["random"]
    assert found.difference("ndcg@5", "random").verdict == "worse"
    assert found.rivals["random"].metrics == evaluate(random_table, random_split, k=5).mean
    assert found.rivals["random"].request is not None


def test_a_rival_cannot_take_the_name_of_another_side(random_split: Split, random_table: nn.Module) -> None:
    with pytest.raises(DataError, match="another name"):
        told(random_split, random_table, random_table, rivals={"after": random_table})


def test_a_smaller_model_is_compared_in_the_old_codes(make_table: Tables, make_split: Callable[..., Split]) -> None:
    big = make_table(torch.tensor([[0, 1, 2, 3], [0, 3, 2, 1]]))
    small = make_table(torch.tensor([[0, 1, 3], [0, 3, 1]]))  # item 2 left
    split = make_split({}, {1: [1, 3]}, n_users=2, n_items=4)
    codes = {"after": {"item": np.array([0, 1, 0, 2])}}
    found = told(split, big, small, renumber=codes, k=2)
    assert found.before.metrics["recall@2"] == 0.5
    assert found.after.metrics["recall@2"] == 1
    assert (found.before.parameters, found.after.parameters) == (8, 6)


def test_sizes_come_from_the_account_of_a_plan_where_there_is_one(random_split: Split, random_table: nn.Module) -> None:
    class Account:
        features_before, features_after, network_before, network_after = 10, 5, 20, 15
        bytes_before, bytes_after = 120, 80

    class Plan:
        def account(self) -> Account:
            return Account()

    found = told(random_split, random_table, random_table, plan=Plan())
    assert (found.before.features, found.before.network, found.before.bytes) == (10, 20, 120)
    assert (found.after.features, found.after.network, found.after.bytes) == (5, 15, 80)
    assert "33.3% of the bytes and 33.3% of the parameters are gone." in found.verdict()


def test_tables_are_features_and_all_else_is_network() -> None:
    assert size_of(MF(5, 7, 4)) == (4 * 12, 7, 4 * (4 * 12 + 7))
    tied = nn.Sequential(nn.Embedding(5, 2), nn.Linear(2, 5, bias=False))
    tied[1].weight = tied[0].weight
    assert size_of(tied) == (10, 0, 40)


def test_a_comparison_comes_back_from_text_as_it_was(random_split: Split, random_table: nn.Module) -> None:
    found = told(random_split, random_table, random_table, rivals={"r": random_table})
    assert Comparison.from_json(found.to_json()) == found


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 1}', '{"format": 2}', "null"])
def test_text_that_is_no_comparison_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="no comparison"):
        Comparison.from_json(text)


def test_the_same_seed_gives_the_same_intervals(
    random_split: Split, random_table: nn.Module, make_table: Tables
) -> None:
    pair = random_table, make_table(torch.rand(61, 80, generator=torch.Generator().manual_seed(0)))
    first, again = (told(random_split, *pair, repeats=0) for _ in range(2))
    assert first == again
    assert first.differences != told(random_split, *pair, repeats=0, seed=1).differences


def test_the_table_shows_every_metric_with_its_interval_and_verdict(
    random_split: Split, random_table: nn.Module
) -> None:
    found = told(random_split, random_table, random_table, rivals={"from scratch": random_table})
    names = [row[0] for row in rows(found)]
    assert names[:3] == ["parameters P (features)", "parameters Q (network)", "bytes"]
    assert set(found.before.metrics) < set(names)
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table(found))
    text = console.export_text()
    for part in ("ms a request", "ndcg@5", "+0.0000 [+0.0000, +0.0000]", "equal (±", "from scratch", "times as fast"):
        assert part in text


def test_without_timing_the_table_has_no_milliseconds(random_split: Split, random_table: nn.Module) -> None:
    found = told(random_split, random_table, random_table, repeats=0)
    assert found.before.request is None
    assert not any("ms" in row[0] for row in rows(found))
    assert "times as fast" not in found.verdict()
    assert replace(found, seed=1) != found


def test_after_is_tested_against_every_rival_too(
    random_split: Split, random_table: nn.Module, make_table: Tables
) -> None:
    scores = torch.zeros(61, 80)
    scores[random_split.test["user"], random_split.test["item"]] = 1
    good = make_table(scores)
    found = told(random_split, good, random_table, rivals={"int4 rows": good, "random": random_table})
    one, other = (evaluate(model, random_split, k=5).per_case["ndcg@5"] for model in (random_table, good))
    against = found.against["int4 rows"]
    assert against.value == pytest.approx((one - other).mean())
    assert against.standard_error == pytest.approx((one - other).std(ddof=1) / len(one) ** 0.5)
    assert against.low < against.value < against.high
    assert (against.verdict, found.against["random"].verdict) == ("worse", "equal")
    assert f"int4 rows 1.0000 at {4 * 61 * 80:,} bytes, the pruned model is worse" in found.verdict()


def test_auc_is_tested_against_rivals_by_delong(clicks: Split) -> None:
    found = told(clicks, Scaled(1.0), Scaled(-1.0), rivals={"random": Scaled(1.0)})
    assert found.against["random"].verdict == "worse"
    assert found.against["random"].value == found.difference("auc").value


def test_the_verdict_says_first_whether_it_is_better_equal_or_worse(
    random_split: Split, random_table: nn.Module, make_table: Tables
) -> None:
    found = told(random_split, random_table, random_table)
    margin = found.difference("ndcg@5").margin
    assert found.verdict().startswith(f"ndcg@5: equal within {margin:.4f} at 95% confidence, ")
    assert told(random_split, random_table, make_table(torch.zeros(61, 80)), level=0.9).verdict().startswith("ndcg@5: ")


@pytest.mark.parametrize("of_clicks", [False, True])
def test_what_each_case_adds_gives_the_standard_error(
    of_clicks: bool, clicks: Split, random_split: Split, random_table: nn.Module, make_table: Tables
) -> None:
    other = make_table(torch.randint(0, 9, (61, 80), generator=torch.Generator().manual_seed(1)))
    models = (Scaled(1.0), Scaled(-1.0)) if of_clicks else (random_table, other)
    found = told(clicks if of_clicks else random_split, *models, cases=True)
    for one in found.differences["after"]:
        if one.standard_error is not None:
            added = found.influence["after"][one.metric]
            assert added.mean() == pytest.approx(0, abs=1e-4)
            assert added.std(ddof=1) / len(added) ** 0.5 == pytest.approx(one.standard_error, rel=0.01, abs=1e-6)
    assert {"auc", "logloss"} <= set(found.influence["after"]) if of_clicks else "auc" not in found.influence["after"]
    assert "influence" not in found.to_json()


def test_a_comparison_of_the_first_format_can_still_be_read(random_split: Split, random_table: nn.Module) -> None:
    found = told(random_split, random_table, random_table, repeats=0)
    old = json.loads(found.to_json()) | {"format": 1}
    for name in ("against", "without", "seeds"):
        del old[name]
    for side in old["sides"].values():
        for name in ("reach", "fallen", "spread"):
            del side[name]
    read = Comparison.from_json(json.dumps(old))
    assert read.differences == found.differences
    assert (read.after.reach, read.after.fallen, read.seeds) == (None, {}, ())
    assert "nobody" not in read.verdict()
    assert "nobody" in found.verdict()


def test_a_single_case_is_not_tested(make_table: Tables, make_split: Callable[..., Split]) -> None:
    first, second = torch.zeros(4, 30), torch.zeros(4, 30)
    first[1, 6] = second[1, 5] = 1
    found = told(make_split({1: [1]}, {1: [5]}), make_table(first), make_table(second), k=1, repeats=0)
    one = found.difference("hit@1")
    assert (one.value, one.standard_error, one.low, one.high, one.verdict) == (1, None, None, None, "not tested")
    assert found.sentence("hit@1").endswith("(+1.0000, not tested)")
    assert Comparison.from_json(found.to_json()) == found


def test_numbers_that_are_not_finite_are_not_tested_and_stand_as_null(make_rows: Rows) -> None:
    split = make_rows([1, -1, 2, 3], [1, 0, 0, 1])
    found = told(split, Scaled(1.0), Scaled(float("inf")), rivals={"same": Scaled(float("inf"))}, repeats=0)
    one = found.difference("logloss")
    assert (one.value, one.low, one.verdict) == (float("inf"), None, "not tested")
    assert verdict_of("logloss", float("nan"), float("nan"), 0.1) == "not tested"
    written = json.loads(found.to_json(), parse_constant=pytest.fail)
    assert written["sides"]["after"]["metrics"]["logloss"] is None
    assert Comparison.from_json(found.to_json()).difference("logloss").value is None


@pytest.mark.parametrize("options", [{"bootstrap": 0}, {"bootstrap": 1}, {"level": 95}, {"level": 0}, {"level": 1.0}])
def test_intervals_need_replicates_and_a_level(
    options: dict[str, float], random_split: Split, random_table: nn.Module
) -> None:
    with pytest.raises(DataError, match=next(iter(options))):
        told(random_split, random_table, random_table, repeats=0, **options)
