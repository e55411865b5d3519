"""A budget is said in one way, and read back as it was."""

import pytest

from recprune.errors import BudgetError
from recprune.planning.budget import Budget, MaxDrop
from recprune.planning.choose import choose
from recprune.tracing.site import Kind, Survey


@pytest.mark.parametrize(
    "said", [{}, {"factor": 0.5, "bytes": 100}, {"milliseconds": 1.0, "max_drop": MaxDrop("auc", 0.01)}]
)
def test_exactly_one_amount_is_said(said):
    with pytest.raises(BudgetError, match="a budget is one of"):
        Budget(**said)


@pytest.mark.parametrize(
    "said", [{"bytes": 0}, {"milliseconds": -1.0}, {"bytes": True}, {"milliseconds": float("nan")}]
)
def test_an_amount_is_above_0(said):
    with pytest.raises(BudgetError, match="must be above 0"):
        Budget(**said)


def test_a_drop_is_a_share():
    with pytest.raises(BudgetError, match="share of auc"):
        MaxDrop("auc", 5)


@pytest.mark.parametrize(
    "budget",
    [
        Budget(0.25, floor=2, multiple=8, keep=0.1),
        Budget(bytes=10, kinds=frozenset({Kind.DIM}), sites=frozenset({"a"})),
        Budget(milliseconds=0.5),
        Budget(max_drop=MaxDrop("ndcg@20", 0.005)),
    ],
)
def test_plain_data_gives_the_budget_back(budget):
    assert Budget.from_dict(budget.to_dict()) == budget


def test_what_has_to_be_measured_is_not_chosen_from_shapes():
    with pytest.raises(BudgetError, match="has to be measured"):
        choose(Survey((), {}, {}, {}, ""), {}, Budget(milliseconds=1.0))


def test_counts_kinds_and_sites_are_checked():
    for said in ({"floor": 2.5}, {"multiple": 0}, {"rows": True}):
        with pytest.raises(BudgetError, match="whole numbers, 1 or more"):
            Budget(0.5, **said)
    with pytest.raises(BudgetError, match=r"kinds are some of \{field, id, .*\}, not neurons"):
        Budget(0.5, kinds={"neurons", "id"})
    with pytest.raises(BudgetError, match="sites are a set of names"):
        Budget(0.5, sites="a.neuron")
    found = Budget(0.5, kinds={"id"}, sites=["a.neuron"])
    assert (found.kinds, found.sites) == (frozenset({Kind.ID}), frozenset({"a.neuron"}))
