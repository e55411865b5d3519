import copy

import pytest
import torch
from torch import nn

from recprune.importance.curvature import second_moments
from recprune.testing.cases import tiny_cases
from recprune.tracing.site import Cut, Kind, Site, Survey


def slow(case, site) -> torch.Tensor:
    """The mean over single rows of (sum of g (w - w afterwards))², a row and a unit at a time."""
    model = copy.deepcopy(case.model).eval()
    tensors = dict(model.named_parameters())
    rows = [(tuple(x[i : i + 1] for x in xs), y[i : i + 1]) for xs, y in case.batches for i in range(len(y))]
    total = torch.zeros(site.size, dtype=torch.float64)
    for inputs, target in rows:
        model.zero_grad()
        case.loss(model(*inputs), target).backward()
        for unit in range(site.size):
            change = 0.0
            for cut in site.cuts:
                if cut.tensor not in tensors:
                    continue
                w, g = tensors[cut.tensor].detach(), tensors[cut.tensor].grad
                if cut.dim < 0:
                    change += float(w.flatten()[cut.start + unit] * g.flatten()[cut.start + unit])
                else:
                    place = (cut.dim, cut.start + unit * cut.width, cut.width)
                    mine = w.narrow(*place)
                    after = w.narrow(cut.dim, site.fallback, 1) if site.fallback is not None else torch.zeros_like(mine)
                    change += float(((mine - after) * g.narrow(*place)).sum())
            total[unit] += change**2
    return total / len(rows)


@pytest.mark.parametrize("case", tiny_cases(), ids=lambda case: case.name)
def test_a_row_a_piece_gives_the_mean_square_of_a_slow_loop(case) -> None:
    for site in case.survey.sites:
        found = second_moments(case.model, [site], case.survey.features, case.batches, case.loss, 10_000)
        assert torch.allclose(found[site.name], slow(case, site), rtol=1e-4, atol=1e-7)


def test_larger_pieces_estimate_the_same_without_bias() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 1, bias=False)
    x = torch.randn(6000, 3)
    y = model(x).detach() + 0.5 + torch.randn(6000, 1)
    site = Site("in", Kind.DIM, 3, (Cut("weight", 1),))
    exact, rough = (
        second_moments(model, [site], frozenset(), [((x,), y)], nn.functional.mse_loss, passes)["in"]
        for passes in (6000, 1000)
    )
    assert torch.allclose(rough, exact, rtol=0.2)


def test_one_row_alone_gives_the_square_of_its_change() -> None:
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(3.0)
    site = Site("w", Kind.NEURON, 1, (Cut("weight", 1),))
    survey = Survey((site,), {}, {}, {}, "")
    batch = [((torch.ones(1, 1),), torch.zeros(1, 1))]
    found = second_moments(model, survey.sites, frozenset(), batch, nn.functional.mse_loss, 2)
    assert found["w"].item() == pytest.approx((3.0 * 6.0) ** 2)
