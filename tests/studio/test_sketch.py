import numpy as np
import pytest

from recprune.errors import BudgetError
from recprune.planning.budget import Budget
from recprune.planning.measured import rise_without
from recprune.recipe.probing import code_counts, probe
from recprune.recipe.prune import plan
from recprune.recipe.pruned import usual_budget
from recprune.studio.scored import scored, steps_of
from recprune.studio.sketch import sketch
from recprune.tracing.site import Kind


@pytest.fixture(params=["lists", "clicks", "solved"])
def told(at_desk, request):
    """A desk and what its rule says."""
    desk = at_desk(request.param)
    return desk, scored(desk.whole.model, desk.split, desk.found, desk.rule)


@pytest.mark.parametrize("factor", [0.2, 0.6])
def test_a_sketch_meets_its_factor_and_takes_more_where_more_is_asked(told, factor):
    desk, said = told
    small, large = (sketch(desk.found, said, usual_budget(f)) for f in (factor, factor + 0.1))
    assert small.plan.meets(usual_budget(factor))
    assert large.plan.account().parameters_after < small.plan.account().parameters_after


def test_bytes_are_met_with_bits_and_without(told):
    desk, said = told
    steps = steps_of(desk.whole.model, desk.split, desk.found)
    size = sketch(desk.found, said, usual_budget(0.0)).plan.file_bytes()
    for budget in (Budget(bytes=int(0.7 * size)), Budget(bytes=int(0.9 * size))):
        with_bits, alone = (sketch(desk.found, said, budget, given) for given in (steps, None))
        assert with_bits.plan.file_bytes() <= budget.bytes
        assert alone.plan.file_bytes() <= budget.bytes
        assert set(alone.plan.encodings.values()) <= {"item_item"}
    with pytest.raises(BudgetError, match="at least"):
        sketch(desk.found, said, Budget(bytes=40), steps)


def test_where_one_site_competes_with_none_the_sketch_is_the_plan(at_desk):
    desk = at_desk("solved")
    said = scored(desk.whole.model, desk.split, desk.found, desk.rule)
    for budget in (usual_budget(0.5), Budget(bytes=900)):
        steps = () if budget.bytes else None
        assert sketch(desk.found, said, budget, steps).plan == plan(desk.whole.model, desk.split, budget=budget)


def test_the_estimate_is_what_was_measured_when_the_same_left(at_desk):
    desk = at_desk("clicks")
    model, split, found = desk.whole.model, desk.split, desk.found
    said = scored(model, split, found, "magnitude")
    assert sketch(found, said, Budget(0.0)).rise == 0
    site = next(s for s in found.sites if s.kind is Kind.NEURON)
    budget = Budget(0.0001, kinds=frozenset({Kind.NEURON}), sites=frozenset({site.name}), floor=site.size - 1)
    (alone,) = sketch(found, said, budget).plan.leaving(site)
    asked = probe(model, found, split)
    order = said.worth[site.name].argsort(stable=True)
    assert alone == order[0]
    quarter = np.sort(order[: round(0.25 * site.size)].numpy())
    rise = rise_without(model, found, {site.name: quarter}, asked, counts=code_counts(split))
    assert float(said.worth[site.name][quarter].sum()) <= rise + 1e-9, "along the lower hull"


def test_scoring_leaves_the_model_as_it_was(at_desk):
    desk = at_desk("lists")
    before = {name: value.clone() for name, value in desk.whole.model.state_dict().items()}
    scored(desk.whole.model, desk.split, desk.found, desk.rule)
    assert all(value.equal(before[name]) for name, value in desk.whole.model.state_dict().items())
