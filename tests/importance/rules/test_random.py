import torch

from recprune.importance.probe import Probe
from recprune.importance.rules.random import Random
from recprune.testing.cases import tiny_factors


def test_chance_depends_on_the_seed_and_the_site_name_alone() -> None:
    one, other = tiny_factors(0), tiny_factors(1)
    dims, ids = one.survey.sites
    first = Random(3)(ids, Probe(one.model, one.survey))
    torch.manual_seed(99)
    assert torch.equal(first, Random(3)(ids, Probe(other.model, other.survey)))
    assert not torch.equal(first, Random(4)(ids, Probe(one.model, one.survey)))
    assert not torch.equal(first[:4], Random(3)(dims, Probe(one.model, one.survey)))


def test_chance_leaves_the_global_seed_alone() -> None:
    case = tiny_factors()
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    Random()(case.survey.sites[0], Probe(case.model, case.survey))
    assert torch.equal(torch.rand(2), expected)
