"""The loss without a unit is that of the masked model, for every kind of site that a survey finds."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from recprune.discover import load, names
from recprune.errors import SurveyError
from recprune.evaluation.inputs import example
from recprune.importance import rules
from recprune.importance.probe import Probe
from recprune.importance.score import score
from recprune.models.build import build
from recprune.testing import tiny_clicks, tiny_split
from recprune.tracing.cutting import masked_copy
from recprune.tracing.site import Kind
from recprune.tracing.trace import survey


class Norm(nn.Module):
    """Layer norm, softmax and a mean over the same units."""

    columns = ("x",)

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(5, 8), nn.LayerNorm(8), nn.Linear(8, 3)

    def forward(self, x):
        wide = self.norm(self.first(x))
        return self.last(torch.softmax(wide, -1)) + wide.square().mean(-1, keepdim=True)


class Attention(nn.Module):
    """Scores that are divided by the square root of the width that is left."""

    columns = ("x",)

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.last = nn.Linear(5, 8), nn.Linear(5, 8), nn.Linear(5, 8), nn.Linear(8, 3)

    def forward(self, x):
        return self.last(F.scaled_dot_product_attention(self.q(x), self.k(x), self.v(x))[:, -1])


class Heads(nn.Module):
    """Head widths and their number are kept in attributes."""

    columns = ("x",)

    def __init__(self):
        super().__init__()
        self.block, self.last = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.Linear(8, 3)

    def forward(self, x):
        return self.last(self.block(x)[:, -1])


OTHERS = {"norm": (Norm, (4, 5)), "attention": (Attention, (4, 3, 5)), "heads": (Heads, (4, 3, 8))}


def case(name):
    """A model whose numbers are far from zero, its survey and a probe of one batch."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if name in OTHERS:
            kind, shape = OTHERS[name]
            model, inputs = kind(), (torch.randn(shape),)
        else:
            split = tiny_clicks() if name == "deepfm" else tiny_split()
            model = build(name, split)
            inputs = example(model, split, 5)
        for parameter in model.parameters():
            parameter.data.add_(0.3 * torch.randn_like(parameter))
        output = model.eval()(*inputs).detach()
        target = output + torch.randn_like(output)
    found = survey(model, inputs)
    counts = {"user": torch.ones(25), "item": torch.ones(17), "sequence": torch.ones(17)}
    counts = {} if name == "deepfm" else counts
    return model, found, Probe(model, found, [(inputs, target)], F.mse_loss, counts), inputs, target


@pytest.mark.parametrize("name", ["ease", "mf", "deepfm", "caser", *OTHERS])
def test_the_loss_without_a_unit_is_that_of_the_masked_model(name):
    model, found, probe, inputs, target = case(name)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    for site in found.sites:
        for unit in {0, site.size // 2, site.size - 1}:
            lacking = masked_copy(model, found, {site.name: np.array([unit])}, {}).eval()
            with torch.no_grad():
                expected = float(F.mse_loss(lacking(*inputs), target))
            assert probe.loss_without(site, unit) == pytest.approx(expected, rel=1e-5), f"{site.name} {unit}"
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())
    assert "forward" not in vars(model)


def test_the_cases_hold_every_kind_and_every_word_of_a_site():
    sites = [site for name in ("ease", "mf", "deepfm", "caser", *OTHERS) for site in case(name)[1].sites]
    assert {site.kind for site in sites} == set(Kind)
    assert any(site.averaged for site in sites)
    assert any(site.attributes for site in sites)
    assert any(site.rescaled for site in sites)
    assert any(site.fallback is not None for site in sites)


@pytest.mark.parametrize("rule", names(rules))
@pytest.mark.parametrize("name", ["ease", "mf", "deepfm", "caser", *OTHERS])
def test_every_rule_scores_every_site_with_finite_numbers_or_refuses_it_by_name(name, rule):
    _, found, probe, _, _ = case(name)
    for site in found.sites:
        try:
            worth = score(found, load(rules, rule)(), probe, kinds=[site.kind])[site.name]
        except SurveyError as error:
            refusal = str(error)
        else:
            refusal = ""
            assert worth.shape == (site.size,)
            assert bool(torch.isfinite(worth).all())
        if rule in ("magnitude", "gradient", "taylor", "random", "mse_increase"):
            assert refusal == ""
        elif refusal:
            assert "site " in refusal


def test_an_exception_inside_an_average_gives_the_model_its_forward_back():
    model, found, _, inputs, target = case("norm")

    def broken(output, target):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Probe(model, found, [(inputs, target)], broken).loss_without(found.sites[0], 0)
    assert "forward" not in vars(model)
