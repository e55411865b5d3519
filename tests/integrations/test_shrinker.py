"""Prune while you train: the model gets smaller between epochs, and answers as the masked one at every cut."""

import pytest
import torch
from torch import nn

from recprune.errors import BudgetError
from recprune.integrations.shrinker import INSIDE, Shrinker
from recprune.planning.budget import Budget
from recprune.surgery import apply, masked
from recprune.tracing.build import named_tensors

USERS, ITEMS = 20, 15


class Towers(nn.Module):
    columns = ("user", "item")

    def __init__(self):
        super().__init__()
        self.user, self.item = nn.Embedding(USERS, 16), nn.Embedding(ITEMS, 16)
        self.deep = nn.Sequential(nn.Linear(32, 24), nn.ReLU(), nn.Linear(24, 1))

    def forward(self, user, item):
        u, v = self.user(user), self.item(item)
        return (u * v).sum(1) + self.deep(torch.cat([u, v], 1)).squeeze(1)


def rows(seed, n=64):
    drawn = torch.Generator().manual_seed(seed)
    user, item = torch.randint(USERS, (n,), generator=drawn), torch.randint(ITEMS, (n,), generator=drawn)
    return (user, item), ((user + item) % 2).float()


EXAMPLE = rows(99, 4)[0]
LOSS = nn.functional.binary_cross_entropy_with_logits


def epoch_(model, optimizer, number):
    inputs, target = rows(number)
    optimizer.zero_grad()
    loss = LOSS(model(*inputs), target)
    loss.backward()
    optimizer.step()


def trained(shrinker, epochs=6):
    """Every model on the way, the first included."""
    torch.manual_seed(0)
    model = Towers()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    models = [model]
    for number in range(epochs):
        epoch_(model, optimizer, number)
        model = shrinker(model, optimizer, done=number + 1)
        models.append(model)
    return models


def parameters(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("rated", [False, True], ids=["by weights", "by batches"])
def test_the_model_gets_smaller_step_by_step_and_the_budget_is_met_at_the_end(rated):
    more = {"batches": [rows(7)], "loss": LOSS} if rated else {}
    shrinker = Shrinker(0.6, EXAMPLE, at=(1, 3, 5), **more)
    sizes = [parameters(model) for model in trained(shrinker)]
    assert sizes[0] > sizes[1] == sizes[2] > sizes[3] == sizes[4] >= sizes[5] == sizes[6]
    assert sizes[-1] <= 0.4 * sizes[0]
    assert sizes[1] - sizes[3] < sizes[0] - sizes[1]
    assert shrinker.met


def test_at_each_cut_the_smaller_model_answers_as_the_masked_one(monkeypatch):
    seen = []

    def watched(model, plan, example, **options):
        small = apply(model, plan, example, **options)
        inputs = rows(5)[0]
        wanted, came = masked(model, plan).eval()(*inputs), small.eval()(*inputs)
        seen.append((wanted, came, parameters(model), parameters(small)))
        small.train()
        return small

    monkeypatch.setattr("recprune.integrations.shrinker.apply", watched)
    trained(Shrinker(0.6, EXAMPLE, at=(1, 3, 5)))
    assert len(seen) == 3
    for wanted, came, before, after in seen:
        torch.testing.assert_close(came, wanted)
        assert after < before


def test_one_plan_tells_of_the_first_model_what_all_cuts_took():
    shrinker = Shrinker(0.6, EXAMPLE, at=(1, 2, 3))
    models = trained(shrinker, 4)
    at_once = apply(models[0], shrinker.plan, EXAMPLE)
    shapes = [{n: t.shape for n, t in named_tensors(m).items()} for m in (at_once, models[-1])]
    assert shapes[0] == shapes[1]


def test_training_mode_and_the_random_state_of_torch_stay_as_they_are():
    shrinker = Shrinker(0.5, EXAMPLE, at=(1,))
    model = Towers().train()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    small = shrinker(model, torch.optim.Adam(model.parameters()), done=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(module.training for module in small.modules())


def test_the_optimizer_holds_the_parameters_of_the_model_that_is_trained():
    torch.manual_seed(0)
    model = Towers()
    optimizer, shrinker = torch.optim.Adam(model.parameters(), lr=0.02), Shrinker(0.5, EXAMPLE, at=(1,))
    epoch_(model, optimizer, 0)
    small = shrinker(model, optimizer, done=1)
    before = small.deep[0].weight.detach().clone()
    epoch_(small, optimizer, 1)
    assert not torch.equal(small.deep[0].weight, before)
    assert {id(p) for p in small.parameters()} == {id(p) for p in optimizer.param_groups[0]["params"]}


def test_a_budget_in_bytes_is_met_by_the_file():
    whole = Shrinker(0.0, EXAMPLE, at=(1,))
    trained(whole, 1)
    limit = whole.plan.file_bytes() * 6 // 10
    shrinker = Shrinker(Budget(bytes=limit), EXAMPLE, at=(1, 2))
    model = trained(shrinker, 2)[-1]
    assert shrinker.plan.file_bytes() <= limit
    assert sum(4 * p.numel() for p in model.parameters()) < limit


def test_ids_and_fields_stay_so_that_batches_stay_as_they_are():
    shrinker = Shrinker(0.6, EXAMPLE, at=(1,))
    model = trained(shrinker, 1)[-1]
    assert model.user.weight.shape[0] == USERS
    assert shrinker.budget.kinds == INSIDE
    assert not any("id" in name.rpartition(".")[2] for name in shrinker.plan.kept)


def test_what_cannot_be_met_is_refused_at_the_first_cut_and_not_at_the_last():
    shrinker = Shrinker(Budget(0.99, keep=0.5), EXAMPLE, at=(1, 2, 3))
    with pytest.raises(BudgetError):
        trained(shrinker, 1)


@pytest.mark.parametrize("at", [(), (3, 2), (1, 1), (-1,)])
def test_epochs_rise(at):
    with pytest.raises(BudgetError, match="ascending"):
        Shrinker(0.5, EXAMPLE, at=at)


def test_a_budget_that_has_to_be_measured_is_refused():
    with pytest.raises(BudgetError, match="measured"):
        Shrinker(Budget(milliseconds=1.0), EXAMPLE, at=(1,))


class Attending(nn.Module):
    def __init__(self):
        super().__init__()
        self.item = nn.Embedding(20, 16)
        self.mix = nn.MultiheadAttention(16, 4, batch_first=True)
        self.norm, self.out = nn.LayerNorm(16), nn.Linear(16, 1)

    def forward(self, items):
        hidden = self.item(items)
        return self.out(self.norm(hidden + self.mix(hidden, hidden, hidden)[0]).mean(1)).squeeze(1)


def test_attention_of_torch_is_cut_twice_and_the_optimizer_follows():
    torch.manual_seed(0)
    items = torch.randint(20, (16, 5))
    model = Attending()
    optimizer, shrinker = torch.optim.AdamW(model.parameters(), lr=0.01), Shrinker(0.5, (items[:3],), at=(1, 2))
    before, losses = parameters(model), []
    for number in range(4):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(items), items.float().mean(1) / 10)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        model = shrinker(model, optimizer, done=number + 1)
    assert parameters(model) <= before / 2
    assert all(state["exp_avg"].shape == p.shape for p, state in optimizer.state.items())
    assert set(optimizer.state) == set(model.parameters())
    assert losses[-1] < losses[0]
