"""Entries of an item-item matrix that was pruned before are scored by the input that they weigh."""

import pytest
import torch
from torch.nn import functional as F

from recprune.encodings.item_item import ItemItem
from recprune.errors import SurveyError
from recprune.importance.probe import Probe
from recprune.importance.rules.frequency import Frequency
from recprune.importance.rules.mse_increase import MseIncrease
from recprune.testing.cases import tiny_item_item
from recprune.tracing.site import Cut, Kind, Site, Survey
from recprune.tracing.trace import survey


@pytest.mark.parametrize("rule", [Frequency(), MseIncrease()])
def test_entries_that_stayed_are_worth_what_they_were_worth_in_the_dense_matrix(rule) -> None:
    case, counts = tiny_item_item(), {"item": torch.tensor([0, 4, 1, 9, 0, 16])}
    batches = [((torch.rand(7, 6),), torch.rand(7, 6))]
    dense = rule(case.survey.sites[0], Probe(case.model, case.survey, batches, F.mse_loss, counts))
    kept = torch.tensor([1, 3, 8, 13, 20, 29, 35])
    holder = torch.nn.Sequential(ItemItem.encode(case.model.items.weight, kept)).eval()
    found = survey(holder, batches[0][0])
    (site,) = [s for s in found.sites if s.kind is Kind.ENTRY]
    packed = rule(site, Probe(holder, found, batches, F.mse_loss, counts))
    assert torch.allclose(packed, dense[kept])


@pytest.mark.parametrize("rule", [Frequency(), MseIncrease()])
def test_entries_that_are_no_places_of_a_matrix_are_refused_with_the_rules_that_can(rule) -> None:
    model = torch.nn.Linear(3, 4)
    found = Survey((Site("entry", Kind.ENTRY, 4, (Cut("bias", 0),)),), {}, {}, {}, "")
    probe = Probe(model, found, [((torch.rand(2, 3),), torch.rand(2, 4))], F.mse_loss, {"item": torch.ones(3)})
    with pytest.raises(SurveyError, match="taylor or magnitude"):
        rule(found.sites[0], probe)
