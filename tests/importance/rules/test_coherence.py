"""Pairs that the rest of a history tells."""

import pytest
import torch

from recprune.errors import SurveyError
from recprune.importance.probe import Probe
from recprune.importance.rules import coherence
from recprune.importance.rules.coherence import Coherence
from recprune.testing.cases import tiny_factors, tiny_item_item, tiny_pairs


def probe_of(case):
    return Probe(case.model, case.survey, case.batches, case.loss, case.counts)


def test_a_pair_is_worth_its_share_of_its_row_times_what_the_rest_of_it_says(monkeypatch):
    monkeypatch.setattr(coherence, "ENTRIES", 4)
    case = tiny_pairs()
    (site,) = case.survey.sites
    found = Coherence()(site, probe_of(case))
    held, v = case.model.items.requires_grad_(False), case.model.item.weight.detach()
    for place, (row, column) in enumerate(held.dense().detach().nonzero().tolist()):
        had = held.dense()[row].nonzero().flatten().tolist()
        rest = sum((v[d] for d in had if d != column), torch.zeros(3))
        told = torch.cosine_similarity(rest, v[column], dim=0).clamp(min=0)
        share = held.values[place] / held.dense()[row].sum()
        assert float(found[place]) == pytest.approx(float(share * told**2), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("case", [tiny_item_item(), tiny_factors()], ids=lambda case: case.name)
def test_what_has_no_factors_beside_it_is_refused(case):
    for site in case.survey.sites:
        with pytest.raises(SurveyError, match="table `item`"):
            Coherence()(site, probe_of(case))
