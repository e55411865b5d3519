"""Half precision, modules that were pruned before, buffers that shrink along."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recprune.models.ease import Ease
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.planning.plan import Plan
from recprune.surgery import apply, masked, shrink_inputs
from recprune.tracing.build import named_tensors
from recprune.tracing.site import Kind, Survey
from recprune.tracing.trace import survey


class Tower(nn.Module):
    """Two tables, a gate and a tower, with buffers beside the dims: a mean, a mask by dim, a scale of one number."""

    def __init__(self) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(11, 6), nn.Embedding(13, 6)
        self.register_buffer("mean", torch.rand(6))
        self.register_buffer("allowed", torch.rand(6) > 0.2)
        self.register_buffer("scale", torch.tensor(2.0))
        self.into, self.norm, self.out = nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 1)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        both = (self.user(user) - self.mean) * self.item(item)
        both = both.masked_fill(~self.allowed, 0.0)
        return self.out(torch.relu(self.norm(self.into(both)))).squeeze(1) * self.scale


def example(rows: int = 3) -> tuple[Tensor, Tensor]:
    return torch.randint(11, (rows,)), torch.randint(13, (rows,))


def random_plan(found: Survey, factor: float, seed: int = 0) -> Plan:
    generator = torch.Generator().manual_seed(seed)
    return choose(found, {s.name: torch.rand(s.size, generator=generator) for s in found.sites}, Budget(factor))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_module_keeps_its_precision_and_is_cut_alike(dtype: torch.dtype):
    torch.manual_seed(0)
    model = Tower().to(dtype).eval()
    found = survey(model, example())
    whole = survey(model.float(), example())
    assert {s.name for s in found.sites} == {s.name for s in whole.sites}
    model = model.to(dtype)
    plan = random_plan(found, 0.5)
    small = apply(model, plan, example())
    assert {t.dtype for t in small.parameters()} == {dtype}
    assert sum(t.numel() * t.element_size() for t in named_tensors(small).values()) == plan.account().bytes_after
    inputs = example(17)
    with torch.no_grad():
        wanted, got = masked(model, plan)(*inputs), small.eval()(*shrink_inputs(plan, inputs))
    spread = float((wanted.float() - got.float()).abs().max()) / max(1.0, float(wanted.abs().max()))
    assert spread <= (0.02 if dtype is not torch.float64 else 1e-12)


def test_parts_of_a_module_in_another_precision_are_cut_alike():
    model = Tower().eval()
    model.user, model.item = model.user.bfloat16(), model.item.bfloat16()
    plan = random_plan(survey(model, example()), 0.4)
    small = apply(model, plan, example())
    assert small.user.weight.dtype is torch.bfloat16
    assert small.into.weight.dtype is torch.float32


def test_buffers_shrink_along():
    model = Tower().eval()
    found = survey(model, example())
    site = next(s for s in found.sites if s.kind is Kind.DIM)
    assert {c.tensor for c in site.cuts} >= {"mean", "allowed", "user.weight", "item.weight"}
    small = apply(model, Plan(found, {site.name: np.array([0, 2, 5])}, Budget(0.1)), example())
    assert torch.equal(small.mean, model.mean[[0, 2, 5]])
    assert torch.equal(small.allowed, model.allowed[[0, 2, 5]])
    assert small.scale.shape == ()
    assert small.norm.running_mean.shape == (8,)


def test_a_module_that_was_pruned_is_surveyed_and_pruned_again():
    torch.manual_seed(1)
    model, first = Tower().eval(), example()
    once = apply(model, plan := random_plan(survey(model, first), 0.3), first)
    again = shrink_inputs(plan, first)
    found = survey(once, again)
    assert {s.name for s in found.sites} == {s.name for s in plan.survey.sites}
    second = random_plan(found, 0.3, 1)
    twice = apply(once, second, again)
    assert sum(p.numel() for p in twice.parameters()) == second.account().parameters_after
    with torch.no_grad():
        got = twice.eval()(*shrink_inputs(second, again))
        torch.testing.assert_close(got, masked(once, second).eval()(*again), rtol=1e-5, atol=1e-5)


def test_entries_that_left_an_item_item_matrix_can_be_followed_by_others():
    torch.manual_seed(2)
    model, history = Ease(12).eval(), (torch.rand(4, 12) > 0.5).float()
    first = random_plan(survey(model, (history,)), 0.4)
    once = apply(model, first, (history,))
    found = survey(once, (history,))
    site = found.site("items.entry")
    assert site.size == once.items.values.numel()
    second = random_plan(found, 0.5, 3)
    twice = apply(once, second, (history,))
    assert twice.items.values.numel() == second.account().parameters_after
    with torch.no_grad():
        torch.testing.assert_close(twice(history), masked(once, second)(history))
        dense = torch.zeros(12 * 12)
        stays = first.units(first.survey.site("items.entry"))[second.kept["items.entry"]]
        dense[torch.from_numpy(stays)] = model.items.weight.flatten()[torch.from_numpy(stays)]
        torch.testing.assert_close(twice(history), history @ dense.view(12, 12).T)


@pytest.mark.filterwarnings("ignore:Sparse CSR")
@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr])
def test_a_sparse_adjacency_of_either_layout_goes_along(layout: torch.layout):
    class Smoothed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factors = nn.Parameter(torch.randn(9, 6))
            self.register_buffer("adjacency", (torch.rand(9, 9) > 0.5).float().to_sparse(layout=layout))

        def forward(self, rows: Tensor) -> Tensor:
            x = torch.relu(self.adjacency @ self.factors)
            return x[rows] @ x.T

    model, rows = Smoothed().eval(), torch.arange(3)
    found = survey(model, (rows,))
    whole = apply(model, Plan(found, {}, Budget(0.0)), (rows,))
    assert torch.equal(whole(rows), model(rows))
    plan = Plan(found, {"factors.neuron": np.array([0, 2, 5])}, Budget(0.0))
    small = apply(model, plan, (rows,))
    assert small.adjacency is not model.adjacency
    assert (small.adjacency.layout, small.factors.shape) == (layout, (9, 3))
    torch.testing.assert_close(small(rows), masked(model, plan)(rows))


@pytest.mark.parametrize("wrap", [nn.utils.parametrizations.spectral_norm, nn.utils.spectral_norm])
def test_a_weight_that_is_divided_by_its_spectral_norm_stays_whole_on_both_sides(wrap):
    class Normed(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.up, self.out = nn.Embedding(9, 6), wrap(nn.Linear(6, 5)), nn.Linear(5, 2)

        def forward(self, ids):
            return self.out(torch.relu(self.up(self.table(ids))))

    found = survey(Normed().eval(), (torch.tensor([1, 2, 3]),))
    assert {site.kind for site in found.sites} <= {Kind.ID}
    assert "spectral_norm divides it" in found.whole["table.weight:1"]
