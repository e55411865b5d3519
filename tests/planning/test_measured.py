"""Scores in one currency: what leaves a site together costs what was measured."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from recprune.evaluation.inputs import example
from recprune.importance.probe import Probe
from recprune.importance.rules.magnitude import Magnitude
from recprune.importance.score import score
from recprune.models.build import build
from recprune.models.ease import Ease
from recprune.packing import pack
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.planning.measured import measured, rise_without
from recprune.surgery import masked
from recprune.testing import tiny_clicks
from recprune.tracing.site import Kind, Survey
from recprune.tracing.trace import survey
from recprune.training import losses


def probed(model: nn.Module, rows: int = 64):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, 6, generator=generator)
    found = survey(model, (x[:2],))
    return found, Probe(model, found, [((x,), model(x).detach() + 0.1)], F.mse_loss)


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 3))


@pytest.mark.parametrize("name", ["0.neuron", "2.neuron"])
def test_the_cheapest_half_of_a_site_costs_what_was_measured(name: str):
    model = network()
    found, probe = probed(model)
    first = score(found, Magnitude(), probe)
    told = measured(model, found, {name: first[name]}, probe, shares=(0.5,))[name]
    half = np.argsort(first[name].numpy())[: found.site(name).size // 2]
    assert float(told[half].sum()) == pytest.approx(rise_without(model, found, {name: np.sort(half)}, probe), rel=1e-6)


def test_the_order_inside_a_site_stays():
    model = network(1)
    found, probe = probed(model)
    first = score(found, Magnitude(), probe)
    told = measured(model, found, first, probe)
    for name, worth in first.items():
        ordered = told[name][torch.argsort(worth)]
        assert bool((ordered.diff() >= -1e-12).all())


def test_a_rise_is_that_of_the_masked_model():
    model = network(2)
    found, probe = probed(model)
    plan = choose(found, score(found, Magnitude(), probe), Budget(0.5))
    leaving = {s.name: plan.leaving(s) for s in found.sites}
    expected = probe.loss_of(masked(model, plan)) - probe.loss
    assert rise_without(model, found, leaving, probe) == pytest.approx(expected)
    assert rise_without(model, found, {}, probe) == 0.0


def test_copies_of_one_neuron_are_cheap_alone_and_dear_together():
    model = network(3)
    with torch.no_grad():
        model[0].weight[:] = model[0].weight[:1]
        model[0].bias[:] = 1.0
    found, probe = probed(model)
    told = measured(model, found, {"0.neuron": torch.arange(16.0)}, probe)["0.neuron"]
    assert float(told[:4].sum()) < float(told[11:15].sum())


def test_a_site_of_one_unit_is_measured_once():
    split = tiny_clicks()
    model = build("deepfm", split, dim=4, hidden=(8,)).eval()
    inputs = example(model, split)
    found = survey(model, inputs)
    probe = Probe(model, found, [(inputs, torch.ones(len(inputs[0])))], F.mse_loss)
    site = next(s for s in found.sites if s.kind is Kind.FIELD)
    told = measured(model, found, {site.name: torch.ones(1)}, probe)[site.name]
    assert float(told) == pytest.approx(probe.loss_without(site, 0) - probe.loss)


COUNTS = {"item": np.array([0, 1, 1, 2, 1, 2, 30, 31, 32, 33])}


def by_heart() -> tuple[nn.Module, Survey, Probe]:
    """A model that is right on its last four items, which occur often, and learned two of the five others by heart."""
    split = tiny_clicks()
    model = build("lr", split).eval()
    with torch.no_grad():
        model.linear.weight.zero_()
        model.linear.weight[8:17, 0] = torch.tensor([0.0, 4.0, 0.0, 4.0, 0.0, 2.0, -2.0, 2.0, -2.0])
    items = torch.arange(1, 10).repeat(8)
    ones = torch.ones_like(items)
    inputs = tuple(items if name == "item" else ones for name in model.columns)
    there = torch.tensor([0.0, 0, 0, 0, 0, 1, 0, 1, 0]).repeat(8)
    learned = torch.tensor([0.0, 1, 0, 1, 0, 1, 0, 1, 0]).repeat(8)
    found = survey(model, example(model, split))
    return model, found, Probe(model, found, [(inputs, there)], losses.bce, COUNTS, id_batches=[(inputs, learned)])


def test_of_ids_what_was_learned_by_heart_leaves_first_and_is_worth_less_than_nothing():
    model, found, probe = by_heart()
    worth = probe.rise_without_ids(found.site("item.id"))
    assert min(worth[1], worth[3]) > max(worth[0], worth[2], worth[4])  # the rows they were learned from speak for them
    told = measured(model, found, {"item.id": worth}, probe, counts=COUNTS)["item.id"]
    assert float(told[[1, 3]].max()) < 0
    assert {1, 3} < set(torch.argsort(told)[:4].tolist())


def test_of_ids_that_are_rated_on_the_rows_of_all_else_the_order_stays_as_the_rule_has_it():
    model, found, probe = by_heart()
    worth = probe.rise_without_ids(found.site("item.id"))
    same = Probe(model, found, probe.batches, losses.bce, COUNTS)
    told = measured(model, found, {"item.id": worth}, same, counts=COUNTS)["item.id"]
    assert bool((told[torch.argsort(worth)].diff() >= -1e-12).all())


class Table(nn.Module):
    """A dense table and a Linear, neither of which is sparse."""

    columns = ("item",)

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.out = nn.Embedding(30, 8), nn.Linear(8, 3)

    def forward(self, item: torch.Tensor) -> torch.Tensor:
        return self.out(self.table(item).relu())


@pytest.mark.parametrize("encoding", ["pair_bits", "pair_gaps", "item_bytes(entries=9)"])
def test_what_is_made_for_sparse_matrices_costs_a_dense_one_what_decoding_shows(encoding: str):
    model, items = Table(), torch.arange(30)
    found = survey(model, (items[:2],))
    probe = Probe(model, found, [((items,), model(items).detach())], F.mse_loss)
    stored = {"table.weight": encoding}
    real = probe.loss_of(pack(model, stored)) - probe.loss
    assert real > 0.01
    assert rise_without(model, found, {}, probe, encodings=stored) == pytest.approx(real, rel=1e-4)


def test_entries_that_leave_through_an_encoding_and_stay_in_it_count_as_exact():
    torch.manual_seed(0)
    model = Ease(12)
    with torch.no_grad():
        model.items.weight.copy_(torch.rand(12, 12))
    history = (torch.rand(20, 12) > 0.5).float()
    found = survey(model, (history[:2],))
    probe = Probe(model, found, [((history,), model(history).detach())], F.mse_loss)
    leaving = {"items.entry": np.arange(0, 144, 2)}
    bare = rise_without(model, found, leaving, probe)
    for encoding in ("item_item", "item_bytes"):
        assert rise_without(model, found, leaving, probe, encodings={"items.weight": encoding}) == bare
    assert rise_without(model, found, {}, probe, encodings={"items.weight": "item_item"}) == 0.0
    assert rise_without(model, found, {}, probe, encodings={"items.weight": "item_bytes"}) > 0.0
