"""Cuts and bits compete for the bytes of one budget."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from recprune.errors import BudgetError
from recprune.importance.probe import Probe
from recprune.importance.rules.magnitude import Magnitude
from recprune.importance.score import score
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.planning.joint import by_estimate, encoding_steps, joint
from recprune.planning.measured import measured, rise_without
from recprune.planning.step import Step
from recprune.tracing.site import Kind
from recprune.tracing.trace import survey


class Factors(nn.Module):
    """A factorisation of rank 4 in 16 dims: most dims are noise."""

    columns = ("user", "item")

    def __init__(self, noise: float = 0.01):
        super().__init__()
        torch.manual_seed(0)
        self.user, self.item = nn.Embedding(60, 16), nn.Embedding(40, 16)
        with torch.no_grad():
            for table in (self.user, self.item):
                table.weight[:, 4:] *= noise

    def forward(self, user, item):
        return (self.user(user) * self.item(item)).sum(1)


def probed(model: nn.Module):
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randint(0, 60, (400,), generator=generator), torch.randint(0, 40, (400,), generator=generator)
    found = survey(model, tuple(i[:5] for i in inputs))
    probe = Probe(model, found, [(inputs, model(*inputs).detach())], F.mse_loss)
    kinds = frozenset({Kind.DIM})
    return found, probe, measured(model, found, score(found, Magnitude(), probe, kinds=kinds), probe)


def rise_of(model, found, probe, plan):
    leaving = {s.name: plan.leaving(s) for s in found.sites}
    return rise_without(model, found, leaving, probe, encodings=plan.encodings)


@pytest.mark.parametrize("limit", [4000, 2200, 1500, 1200, 900])
def test_a_joint_plan_is_no_worse_than_cuts_alone_or_bits_alone(limit: int):
    model = Factors()
    found, probe, told = probed(model)
    plan = joint(model, found, told, probe, Budget(bytes=limit, kinds=frozenset({Kind.DIM})))
    assert plan.file_bytes() <= limit
    rise = rise_of(model, found, probe, plan)
    for encodings in ({}, *(dict.fromkeys(("user.weight", "item.weight"), n) for n in ("int8_rows", "int4_rows"))):
        try:
            rival = choose(found, told, Budget(bytes=limit, kinds=frozenset({Kind.DIM})), encodings=encodings)
        except BudgetError:
            continue
        if encodings and rival.kept:
            continue
        assert rise <= rise_of(model, found, probe, rival) + 1e-9


def test_dims_that_hold_nothing_leave_and_the_rest_is_stored_in_few_bits():
    model = Factors(0.0)
    found, probe, told = probed(model)
    plan = joint(model, found, told, probe, Budget(bytes=1100, kinds=frozenset({Kind.DIM})))
    site = next(s for s in found.sites if s.kind is Kind.DIM)
    assert {0, 1, 2, 3} <= set(plan.units(site).tolist())
    assert len(plan.units(site)) < site.size
    assert set(plan.encodings) == {"user.weight", "item.weight"}


def test_steps_of_a_tensor_save_more_and_cost_more_from_one_to_the_next():
    model = Factors()
    found, probe, _ = probed(model)
    steps = encoding_steps(model, found, probe)
    for tensor in ("user.weight", "item.weight"):
        mine = [step for step in steps if step.tensor == tensor]
        assert mine
        assert all(step.saved > 0 for step in mine)
        assert [s.price for s in mine] == sorted(s.price for s in mine)


def test_where_the_loss_tells_nothing_bytes_go_to_weights_that_are_nearer():
    model = Factors()
    inputs = torch.arange(40), torch.arange(40)
    found = survey(model, tuple(i[:5] for i in inputs))
    probe = Probe(model, found, [(inputs, torch.zeros(40))], lambda output, target: 0 * output.sum() + 1.0)
    steps = encoding_steps(model, found, probe, ["int2_rotated_rows", "int8_rows", "int4_rows"])
    for tensor in ("user.weight", "item.weight"):
        mine = [step for step in steps if step.tensor == tensor]
        assert [step.encoding for step in mine] == ["int8_rows", "int4_rows", "int2_rotated_rows"]
        assert [step.rise for step in mine] == sorted(step.rise for step in mine)
        assert mine[0].rise > 0
        assert mine[-1].rise < 1e-3
    dims = frozenset({Kind.DIM})
    for limit, stored in ((4000, {"int8_rows"}), (2000, {"int8_rows", "int4_rows"}), (1500, {"int4_rows"})):
        plan = joint(model, found, {}, probe, Budget(bytes=limit, kinds=dims), names=["int8_rows", "int4_rows"])
        assert set(plan.encodings.values()) == stored
        assert plan.file_bytes() <= limit


def test_where_the_loss_tells_nothing_units_of_small_weights_leave_first():
    model = Factors(0.5)
    inputs = torch.arange(40), torch.arange(40)
    found = survey(model, tuple(i[:5] for i in inputs))
    probe = Probe(model, found, [(inputs, torch.zeros(40))], lambda output, target: 0 * output.sum() + 1.0)
    dims = {site.name: torch.zeros(site.size) for site in found.sites if site.kind is Kind.DIM}
    plan = joint(model, found, dims, probe, Budget(bytes=1100, kinds=frozenset({Kind.DIM})), names=("int4_rows",))
    (stay,) = plan.kept.values()
    assert 4 < len(stay) < 16
    assert set(range(4)) <= set(stay.tolist())
    assert plan.encodings


def test_an_encoding_with_options_worth_trying_is_tried_with_each_and_one_that_says_them_as_it_is():
    model = Factors()
    model.item = torch.nn.Embedding(1200, 16)
    found, probe, _ = probed(model)
    steps = encoding_steps(model, found, probe, ["product_rows"])
    tried = {f"product_rows(m={m},b=8)" for m in (1, 2, 3, 4, 6, 8)}
    assert {step.encoding for step in steps if step.tensor == "item.weight"} <= tried
    assert any(step.tensor == "item.weight" for step in steps)
    assert not any(step.tensor == "user.weight" for step in steps)  # of few rows, which books do not pay for
    said = encoding_steps(model, found, probe, ["product_rows(m=5)"])
    assert {step.encoding for step in said} == {"product_rows(m=5)"}


def test_without_measuring_the_plan_of_the_lowest_sum_comes_first():
    model = Factors()
    found, probe, told = probed(model)
    budget, steps = Budget(bytes=1500, kinds=frozenset({Kind.DIM})), encoding_steps(model, found, probe)
    ranked = by_estimate(found, told, budget, steps[::-1])
    assert [rise for rise, _ in ranked] == sorted(rise for rise, _ in ranked)
    assert ranked[0][1] == joint(model, found, told, probe, budget, rounds=1)
    rise, alone = by_estimate(found, told, budget, [])[0]
    assert rise == pytest.approx(sum(float(told[n][alone.leaving(found.site(n))].sum()) for n in alone.kept))
    with pytest.raises(BudgetError, match="at least"):
        by_estimate(found, told, Budget(bytes=10), steps)


def test_where_none_meets_it_the_smallest_size_of_all_is_named():
    model = Factors()
    found, _, told = probed(model)
    dims, books = frozenset({Kind.DIM}), "product_rows(m=2,b=8)"  # which cost more than they save of one dim
    steps = [Step("user.weight", "int8_rows", 0.1, 1000), Step("item.weight", books, 0.2, 1000)]
    least = []
    for taken in range(3):
        encodings = {step.tensor: step.encoding for step in steps[:taken]}
        with pytest.raises(BudgetError) as one:
            choose(found, told, Budget(bytes=10, kinds=dims), encodings=encodings)
        least.append(one.value.reachable)
    assert min(least) < least[-1]
    with pytest.raises(BudgetError, match=f"at least {min(least):,} bytes stay") as error:
        by_estimate(found, told, Budget(bytes=10, kinds=dims), steps)
    assert error.value.reachable == min(least)


def test_bits_need_a_budget_in_bytes():
    model = Factors()
    found, probe, told = probed(model)
    with pytest.raises(BudgetError, match="bytes"):
        joint(model, found, told, probe, Budget(0.5))
    with pytest.raises(BudgetError, match="at least"):
        joint(model, found, told, probe, Budget(bytes=60, kinds=frozenset({Kind.DIM}), keep=0.5))


def test_bits_that_fine_tuning_makes_good_are_taken_before_cuts():
    model = Factors()
    found, probe, told = probed(model)
    budget = Budget(bytes=1200, kinds=frozenset({Kind.DIM}))
    dear, cheap = (joint(model, found, told, probe, budget, rounds=1, left=left) for left in (1e6, 0.0))
    assert not dear.encodings
    assert cheap.encodings
    assert cheap.account().parameters_after > dear.account().parameters_after


def test_a_dense_table_that_only_an_encoding_of_entries_makes_small_enough_is_stored_and_measured_so():
    model = Factors()
    found, probe, told = probed(model)
    budget = Budget(bytes=4000, floor=12, kinds=frozenset({Kind.DIM}))
    plan = joint(model, found, told, probe, budget, names=("item_bytes",))
    assert plan.kept
    assert set(plan.encodings.values()) == {"item_bytes"}
    steps = encoding_steps(model, found, probe, ("pair_bits",))
    assert steps
    assert all(
        s.rise > 0.5 * rise_without(model, found, {}, probe, encodings={s.tensor: s.encoding}) > 0 for s in steps
    )
