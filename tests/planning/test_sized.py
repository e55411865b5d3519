"""Bytes of entries that go by which of them stay."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

import recprune
from recprune.encodings.pair_gaps import PairGaps
from recprune.errors import SurgeryError
from recprune.evaluation.inputs import example
from recprune.evaluation.size import size_of
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.planning.plan import Plan
from recprune.planning.sized import sized, standing
from recprune.surgery import apply
from recprune.testing import tiny_split
from recprune.tracing.site import Kind

GAPS = {"items.values": "pair_gaps"}


@pytest.fixture(scope="module")
def split():
    return tiny_split(users=120, items=60, each=9)


@pytest.fixture(scope="module")
def model(split):
    made = recprune.build("mixture", split, dim=8, memory="users", start="random")
    made.start_(split.train.histories())
    return made.eval()


@pytest.fixture
def found(model, split):
    return recprune.survey(model, example(model, split))


def test_places_are_those_of_the_entries(model, found):
    one = standing(found, GAPS)["items.values"]
    rows, columns = one.places // one.shape[1], one.places % one.shape[1]
    assert torch.equal(rows, model.items.rows())
    assert torch.equal(columns, model.items.indices.long())
    assert standing(found, {"items.values": "pair_bits", "item.weight": "int8_rows"}) == {}


def test_a_plan_says_how_many_bytes_the_entries_take_that_stay(model, split, found):
    places = standing(found, GAPS)["items.values"].places
    every, few = np.arange(len(places)), np.arange(0, len(places), 3)
    for kept, units in (({}, every), ({"items.entry": few}, few)):
        room = PairGaps.room(places[units], found.site("items.entry").matrix)
        plan = Plan(found, kept, Budget(0.0), "", GAPS)
        assert plan.encodings == {"items.values": f"pair_gaps(room={room})"}
        small = apply(model, plan, example(model, split))
        assert size_of(small)[2] == plan.account().bytes_after
    assert replace(plan, kept={}).encodings == Plan(found, {}, Budget(0.0), "", GAPS).encodings


def test_where_nothing_stays_nothing_is_said(found):
    assert sized(found, GAPS, {"items.entry": np.empty(0, dtype=np.int64)}) == GAPS


def test_a_plan_that_was_read_keeps_what_it_says_and_without_it_tells_the_most(found):
    plan = Plan(found, {"items.entry": np.arange(0, 700, 2)}, Budget(0.0), "", GAPS)
    again = Plan.from_json(plan.to_json())
    assert again == plan
    assert standing(again.survey, GAPS) == {}
    assert replace(again, encodings=GAPS).account().bytes_after > again.account().bytes_after


def test_a_plan_for_other_entries_than_those_that_stay_is_refused(model, split, found):
    site = found.site("items.entry")
    plan = Plan.from_json(Plan(found, {site.name: np.arange(0, site.size, 9)}, Budget(0.0), "", GAPS).to_json())
    wrong = replace(plan, kept={site.name: np.arange(0, site.size, 2)})
    with pytest.raises(SurgeryError, match="Leave it out"):
        apply(model, wrong, example(model, split))


@pytest.mark.parametrize("share", [0.9, 0.5, 0.2])
@pytest.mark.parametrize("both", [True, False])
def test_a_budget_in_bytes_is_met_with_less_than_an_entry_to_spare(model, split, found, share, both):
    site = found.site("items.entry")
    scores = {
        name: torch.rand(found.site(name).size, generator=torch.Generator().manual_seed(0)) for name in [site.name]
    }
    whole = Plan(found, {}, Budget(0.0), "", GAPS).file_bytes()
    least = Plan(found, {site.name: np.array([0])}, Budget(0.0), "", GAPS).file_bytes()
    limit = int(least + share * (whole - least))
    kinds = frozenset({Kind.ENTRY, Kind.DIM} if both else {Kind.ENTRY})
    plan = choose(found, scores, Budget(bytes=limit, kinds=kinds), encodings=GAPS)
    assert limit - 16 <= plan.file_bytes() <= limit


def test_a_model_without_weights_has_no_places(model):
    (site,) = copy.deepcopy(model.items).to("meta").prunable()
    assert site.where is None
