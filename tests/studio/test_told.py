import json

import numpy as np
import pytest

from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.studio.told import RUNS, print_of, told
from recprune.tracing.site import Kind


@pytest.fixture
def desk(at_desk):
    return at_desk("clicks")


def planned(desk, **kept):
    sites = {site.kind: site for site in desk.found.sites}
    chosen = {sites[Kind(kind)].name: np.array(units) for kind, units in kept.items()}
    return Plan(desk.found, chosen, Budget(0.5), "recprune.importance.rules.magnitude:Magnitude(p=2.0)")


def test_totals_are_those_of_the_account_and_of_the_file(desk):
    plan = planned(desk, neuron=range(10, 128))
    said, account = told(plan, desk.whole.vocabularies), plan.account()
    assert said["parameters"]["P"] == [account.features_before, account.features_after]
    assert said["parameters"]["Q"] == [account.network_before, account.network_after]
    assert said["parameters"]["all"] == [account.parameters_before, account.parameters_after]
    assert said["bytes"] == [planned(desk).file_bytes(), plan.file_bytes()]
    assert said["rule"] == "Magnitude(p=2.0)"
    assert json.loads(json.dumps(said)) == said


def test_units_are_named_as_a_person_writes_them(desk):
    (site,) = told(planned(desk, neuron=[0, *range(4, 9), *range(10, 128)]), desk.whole.vocabularies)["sites"]
    assert (site["kind"], site["leave"], site["which"]) == ("neuron", 4, "1–3, 9")
    (site,) = told(planned(desk, neuron=range(0, 128, 2)), desk.whole.vocabularies)["sites"]
    assert site["which"].endswith(" …")
    assert site["which"].count(",") == RUNS - 1


def test_ids_that_leave_are_named_as_the_log_has_them(desk):
    site = [s for s in desk.found.sites if s.kind is Kind.ID][-1]
    plan = Plan(desk.found, {site.name: np.arange(1, site.size)}, Budget(0.1))
    (told_of,) = told(plan, desk.whole.vocabularies)["sites"]
    assert told_of["which"] == desk.whole.vocabularies[site.column].ids[0]


def test_what_stays_whole_is_told_with_its_reason(desk):
    said = told(planned(desk), desk.whole.vocabularies)
    assert {one["name"]: one["why"] for one in said["whole"]} == dict(desk.found.whole)
    assert not said["sites"]
    assert {one["kind"] for one in said["kinds"]} == {str(site.kind) for site in desk.found.sites}


def test_another_plan_has_another_print(desk):
    plans = [planned(desk), planned(desk, neuron=range(1, 128)), planned(desk, neuron=range(127))]
    assert len({print_of(plan) for plan in plans}) == 3
    assert print_of(planned(desk, neuron=range(127))) == print_of(plans[-1])
