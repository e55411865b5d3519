import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from recprune.errors import SurveyError
from recprune.importance.probe import Probe
from recprune.importance.rules.field_mean import FieldMean
from recprune.importance.rules.shapley import Shapley
from recprune.testing.cases import tiny_factors, tiny_fields, tiny_item_item, tiny_mlp
from recprune.tracing.site import Cut, Kind, Site, Survey


class Sum(nn.Module):
    """The sum of three fields' numbers: additive in the fields."""

    columns = ("a", "b", "c")

    def __init__(self, rows: list[list[float]]) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Embedding.from_pretrained(torch.tensor(r)[:, None], freeze=False) for r in rows)

    def forward(self, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        return (self.a(a) + self.b(b) + self.c(c))[:, 0]


def probed(rows: list[list[float]], codes: list[Tensor], target: Tensor) -> Probe:
    model = Sum(rows)
    sites = tuple(
        Site(f"{n}.field", Kind.FIELD, 1, (Cut(f"{n}.weight", 0, 0, len(r)),), column=n)
        for n, r in zip("abc", rows, strict=True)
    )
    names = {f"{n}.weight": (len(r), 1) for n, r in zip("abc", rows, strict=True)}
    survey = Survey(sites, names, dict.fromkeys(names, 4), {}, "", features=frozenset(names))
    counts = {n: torch.bincount(c, minlength=len(r)) for n, c, r in zip("abc", codes, rows, strict=True)}
    return Probe(model, survey, [(tuple(codes), target)], nn.functional.mse_loss, counts)


def every_row(*sizes: int) -> list[Tensor]:
    return list(torch.tensor(list(itertools.product(*(range(n) for n in sizes)))).T)


def worth(probe: Probe, rule: object) -> list[float]:
    return [rule(site, probe).item() for site in probe.survey.sites]


def test_fields_of_a_sum_that_are_independent_are_worth_their_variances() -> None:
    """All combinations once and the target is the sum: a field at its mean adds its variance, in any company."""
    rows, codes = [[0.0, 2.0], [1.0, 2.0, 6.0], [5.0, 5.0]], every_row(2, 3, 2)
    target = sum(torch.tensor(r)[c] for r, c in zip(rows, codes, strict=True))
    probe = probed(rows, codes, target)
    assert worth(probe, Shapley(orders=2)) == pytest.approx([1.0, 14 / 3, 0.0], abs=1e-5)
    assert worth(probe, FieldMean()) == pytest.approx([1.0, 14 / 3, 0.0], abs=1e-5)


def test_all_orders_are_the_shapley_value_where_fields_touch() -> None:
    """Two fields that say the same: the loss rises by 1/4 when one leaves, by 1 when both do; each is worth 1/2."""
    code = torch.tensor([0, 1])
    probe = probed([[-0.5, 0.5], [-0.5, 0.5], [3.0, 3.0]], [code, code, code], torch.tensor([2.0, 4.0]))
    assert worth(probe, FieldMean())[:2] == pytest.approx([0.25, 0.25], abs=1e-6)
    assert worth(probe, Shapley(orders=2)) == pytest.approx([0.5, 0.5, 0.0], abs=1e-6)


def subsets(probe: Probe, units: int, loss_without) -> list[float]:
    """Shapley values by the formula over all coalitions."""
    out = []
    for unit in range(units):
        others, total = [u for u in range(units) if u != unit], 0.0
        for size in range(units):
            weight = math.factorial(size) * math.factorial(units - size - 1) / math.factorial(units)
            for gone in itertools.combinations(others, size):
                total += weight * (loss_without({*gone, unit}) - loss_without(set(gone)))
        out.append(total)
    return out


def test_neurons_come_near_the_formula_over_all_coalitions_and_add_up() -> None:
    case = tiny_mlp()
    site, model = case.survey.sites[0], case.model.eval()
    probe = Probe(case.model, case.survey, case.batches, case.loss, case.counts)
    with torch.no_grad():
        hidden = [model[:3](x) for (x,), _ in case.batches]
        mean = torch.cat(hidden).mean(0)

        def loss_without(gone: set[int]) -> float:
            total = 0.0
            for h, (_, y) in zip(hidden, case.batches, strict=True):
                held = h.clone()
                held[:, sorted(gone)] = mean[sorted(gone)]
                total += float(case.loss(model[3](held), y))
            return total / len(hidden)

        expected = torch.tensor(subsets(probe, site.size, loss_without), dtype=torch.float64)
        rise = loss_without(set(range(site.size))) - loss_without(set())
    found = Shapley(orders=400)(site, probe)
    assert float(found.sum()) == pytest.approx(rise, abs=1e-5)
    assert float((found - expected).abs().max()) < 0.05 * float(expected.abs().max())
    apart = [float((Shapley(orders=2, seed=s)(site, probe) - expected).square().mean()) for s in range(20)]
    assert float((found - expected).square().mean()) < sum(apart) / 20 / 10


def test_the_seed_draws_the_orders() -> None:
    case = tiny_mlp()
    probe = Probe(case.model, case.survey, case.batches, case.loss, case.counts)
    one, again, other = (Shapley(orders=2, seed=s)(case.survey.sites[0], probe) for s in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_all_fields_are_played_in_one_game() -> None:
    case = tiny_fields()
    calls = []
    probe = Probe(case.model, case.survey, case.batches, lambda o, y: calls.append(1) or case.loss(o, y), case.counts)
    for name in ("city.field", "hour.field"):
        Shapley(orders=4)(case.survey.site(name), probe)
    assert len(calls) == (1 + 4 * 2) * len(case.batches)


@pytest.mark.parametrize(
    ("case", "name"), [(tiny_factors(), "user.id"), (tiny_item_item(), "items.entry"), (tiny_fields(), "city.id")]
)
def test_ids_and_entries_are_refused_by_name(case, name: str) -> None:
    with pytest.raises(SurveyError, match=name):
        Shapley()(case.survey.site(name), Probe(case.model, case.survey, case.batches, case.loss, case.counts))


def test_a_game_that_takes_too_long_is_refused() -> None:
    case = tiny_mlp()
    probe = Probe(case.model, case.survey, case.batches, case.loss, case.counts)
    with pytest.raises(SurveyError, match="more than limit=5"):
        Shapley(limit=5)(case.survey.sites[0], probe)
