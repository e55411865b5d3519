"""A module of one's own, which knows nothing of recprune: `python examples/own_model.py`."""

import torch
from torch import nn

import recprune
from recprune.importance.rules.taylor import Taylor


class Ranker(nn.Module):
    """Two tables, a tower, one logit a row."""

    def __init__(self, users: int, items: int, dim: int = 16, hidden: int = 64) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(users, dim), nn.Embedding(items, dim)
        self.tower = nn.Sequential(nn.Linear(2 * dim, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, user: torch.Tensor, item: torch.Tensor) -> torch.Tensor:
        return self.tower(torch.cat([self.user(user), self.item(item)], 1)).squeeze(1)


def train(model: nn.Module, rows: tuple[torch.Tensor, ...], epochs: int) -> float:
    """Your own loop; the loss of the last epoch."""
    users, items, labels = rows
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(epochs):
        for part in torch.randperm(len(labels)).split(256):
            optimizer.zero_grad()
            loss = nn.functional.binary_cross_entropy_with_logits(model(users[part], items[part]), labels[part])
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        return float(nn.functional.binary_cross_entropy_with_logits(model.eval()(users, items), labels))


torch.manual_seed(0)
users, items = torch.randint(200, (4000,)), torch.randint(100, (4000,))
rows = (users, items, ((users + items) % 3 == 0).float())
model = Ranker(200, 100)
print(f"loss before: {train(model, rows, 8):.3f}")

example = (users[:8], items[:8])
survey = recprune.survey(model, example, columns=("user", "item"))  # what could leave, found by watching forward
for site in survey.sites:
    print(f"{site.name}: {site.size} units of kind {site.kind}, {len(site.cuts)} tensors get shorter")
for name, why in survey.whole.items():
    print(f"{name} stays whole: {why}")

batches = [((users[i : i + 256], items[i : i + 256]), rows[2][i : i + 256]) for i in range(0, 2048, 256)]
probe = recprune.Probe(model, survey, batches, nn.functional.binary_cross_entropy_with_logits)
budget = recprune.Budget(factor=0.5, kinds=frozenset({recprune.Kind.DIM, recprune.Kind.NEURON}))
scores = recprune.score(survey, Taylor(), probe, kinds=budget.kinds)
plan = recprune.choose(survey, scores, budget)
small = recprune.apply(model, plan, example)  # a new module of the same class, checked against the masked one
print(small)
print(f"loss after the cut: {train(small, rows, 0):.3f}, and trained further: {train(small.train(), rows, 4):.3f}")
print(f"parameters: {plan.account().parameters_before:,} -> {plan.account().parameters_after:,}")
