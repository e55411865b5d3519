"""What is planned on paper is what the model itself would be planned."""

import pytest
import torch

from recprune.errors import BudgetError, ExtensionError, SurveyError
from recprune.models.deepfm import DeepFM
from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.scale.cost import compact_cost
from recprune.scale.paper import on_paper
from recprune.surgery import apply
from recprune.tracing.site import Kind
from recprune.tracing.trace import survey


def test_the_account_is_that_of_a_model_whose_ids_leave():
    found = on_paper("deepfm", {"user": 40, "item": 60, "age": 0}, settings={"dim": 4, "hidden": [8]}, factor=0.4)
    model = DeepFM(("user", "item", "age"), (40, 60, 0), dim=4, hidden=(8,))
    example = (torch.arange(3), torch.arange(3), torch.rand(3))
    known = survey(model, example)
    kept = {
        site.name: tuple(range(round(site.size * found.share), site.size))
        for site in known.sites
        if site.kind is Kind.ID
    }
    plan = Plan(known, kept, Budget(0.4), "")
    small = apply(model, plan, example)
    assert found.account.parameters_before == sum(p.numel() for p in model.parameters())
    assert found.account.parameters_after == sum(p.numel() for p in small.parameters())
    assert found.account.to_dict() == plan.account().to_dict()


@pytest.mark.parametrize("factor", [0.0, 0.3, 0.8])
def test_a_factor_is_met_by_hardly_more_ids_than_it_takes(factor):
    account = on_paper("mf", {"user": 30_000, "item": 500}, factor=factor).account
    assert 0 <= account.share_removed - factor < 1e-4


def test_a_budget_in_bytes_is_met_by_all_tensors_together():
    account = on_paper("mf", {"user": 30_000, "item": 500}, bytes=2_000_000).account
    assert 2_000_000 - 256 <= account.bytes_after <= 2_000_000


def test_a_table_of_100_gigabytes_is_planned_with_what_it_costs():
    found = on_paper("mf", {"user": 390_625_000, "item": 100_000}, factor=0.8, shards=100, workers=10)
    rows = found.account.rows
    kept = next(row.after[0] for row in rows if row.tensor == "user.weight")
    assert found.account.bytes_before > 100e9
    assert found.cost == compact_cost(390_625_000, 64, kept, shards=100, workers=10)


def test_models_of_sequences_are_planned_too():
    found = on_paper("sasrec", {"item": 20_000_000}, settings={"dim": 8}, factor=0.5)
    assert set(found.costs) == {"item.weight"}


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        ({"rows": {"user": 9}, "factor": 0.5}, ExtensionError, "mf needs rows of 'item'"),
        ({"rows": {"user": 9, "item": 9, "city": 4}, "factor": 0.5}, ExtensionError, "mf has no table of 'city'"),
        ({"rows": {"user": 9, "item": 9}, "settings": {"depth": 3}, "factor": 0.5}, ExtensionError, "'depth'"),
        ({"rows": {"user": 9, "item": 9}, "factor": 0.99}, BudgetError, "cannot be met by ids alone"),
        ({"rows": {"user": 9, "item": 9}, "bytes": 10}, BudgetError, "cannot be met by ids alone"),
        ({"rows": {"user": 9, "item": 9}, "factor": 1.0}, BudgetError, "factor is 0 to below 1"),
        ({"rows": {"user": 9, "item": 9}}, BudgetError, "one of them"),
    ],
)
def test_what_cannot_be_planned_is_refused_with_the_reason(said, error, message):
    with pytest.raises(error, match=message):
        on_paper("mf", **said)


def test_a_model_that_needs_its_numbers_is_refused(monkeypatch):
    from recprune.scale import paper

    def failing(model, example):
        raise RuntimeError("a tensor has no numbers")

    monkeypatch.setattr(paper, "survey", failing)
    with pytest.raises(SurveyError, match="a tensor has no numbers"):
        on_paper("mf", {"user": 9, "item": 9}, factor=0.5)
