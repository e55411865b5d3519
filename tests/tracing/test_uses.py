"""Ids whose numbers count for more than look-ups keep them; others are renumbered."""

import pytest
import torch
from torch import Tensor, nn

from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.surgery import apply, masked, renumber, shrink_inputs
from recprune.tracing.trace import survey

N = 3000
"""So many ids that a few drawn ones hardly ever hit a certain one."""


class Asked(nn.Module):
    """A table of its own for each of two columns, and what `use` makes of their ids beside."""

    def __init__(self, use, padding: int | None = None, ids: int = N) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.past_table = nn.Embedding(ids, 8, padding_idx=padding)
        self.item_table = nn.Embedding(ids, 8)
        self.register_buffer("blocked", torch.rand(ids) < 0.01)
        self.register_buffer("known", torch.randn(ids, 3, 2))
        self.register_buffer("longer", torch.randn(ids + 1))
        self.bias = nn.Parameter(torch.randn(ids))
        self.layer, self.out, self.use = nn.Linear(16, 24), nn.Linear(24, 1), use

    def forward(self, item: Tensor, past: Tensor) -> Tensor:
        past, beside = self.use(self, item, past)
        states = torch.cat([self.past_table(past).sum(1), self.item_table(item)], 1)
        return self.out(torch.relu(self.layer(states)))[:, 0] + beside


def example(rows: int = 4, ids: int = N) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    past = torch.randint(1, ids, (rows, 5), generator=generator)
    past[0, 3:] = 0
    return torch.randint(1, ids, (rows,), generator=generator), past


def ids_of(model: nn.Module) -> tuple[set[str], dict[str, str]]:
    """The columns whose ids can leave, and why other things stay."""
    found = survey(model.eval(), example(), ("item", "past"))
    return {s.name for s in found.sites if s.name.endswith(".id")}, dict(found.whole)


KEEP_PAST = {
    "another padding": lambda m, item, past: (past, (past != N - 1).float().sum(1)),
    "a mask token, as a tensor": lambda m, item, past: (past, (past == torch.tensor(7)).float().sum(1)),
    "a flag of its ids, moved": lambda m, item, past: (past, m.blocked[(past + 1).clamp(max=N - 1)].float().sum(1)),
    "a row of other sizes": lambda m, item, past: (past, m.longer[past].sum(1)),
    "a remainder": lambda m, item, past: (past, (past % 7).float().sum(1)),
    "an order": lambda m, item, past: (past, past.sort(1).indices[:, 0].float()),
    "a number": lambda m, item, past: (past, past.float().mean(1)),
    "ids moved by one": lambda m, item, past: ((past + 1).clamp(max=N - 1), 0.0),
    "the last one": lambda m, item, past: (past, m.blocked[past.gather(1, torch.ones_like(past))[:, 0]].float()),
    "a threshold": lambda m, item, past: (past, (past > 100).float().sum(1)),
}


@pytest.mark.parametrize("use", list(KEEP_PAST.values()), ids=list(KEEP_PAST))
def test_a_column_whose_numbers_count_keeps_them(use):
    found, whole = ids_of(Asked(use))
    assert found == {"item.id"}
    assert "past_table.weight:0" in whole


def test_ids_that_are_moved_and_looked_up_keep_their_numbers():
    assert ids_of(Asked(lambda m, item, past: (torch.remainder(past, N - 1), 0.0)))[0] == {"item.id"}
    assert ids_of(Asked(lambda m, item, past: (past.sub(1).add(1), 0.0)))[0] == {"item.id"}
    shifted = Asked(lambda m, item, past: (past + 1, 0.0))
    found = survey(shifted.eval(), tuple(x.clamp(max=N - 2) for x in example()), ("item", "past"))
    assert [s.name for s in found.sites if s.name.endswith(".id")] == ["item.id"]
    assert "rows are read by position" in found.whole["past_table.weight:0"]


FREE = {
    "nothing": lambda m, item, past: (past, 0.0),
    "what is there": lambda m, item, past: (past, (past != 0).float().sum(1)),
    "what is there, from 1": lambda m, item, past: (past, (past >= 1).float().sum(1)),
    "what is not there, by a tensor": lambda m, item, past: (past, (past == torch.tensor(0)).float().sum(1)),
    "truth values": lambda m, item, past: (past, (~past.bool()).float().sum(1)),
    "a sign": lambda m, item, past: (past, past.sign().float().sum(1)),
    "a count": lambda m, item, past: (past, past.count_nonzero(1).float()),
    "zeros alike": lambda m, item, past: (past, torch.zeros_like(past).float().sum(1)),
    "below 0, from the end": lambda m, item, past: (torch.where(past < 0, past + N, past), 0.0),
    "some hidden": lambda m, item, past: (past.masked_fill(torch.arange(5) > 3, 0), 0.0),
    "a flag of its ids": lambda m, item, past: (past, m.blocked[past].float().sum(1)),
    "a number of its ids": lambda m, item, past: (past, m.bias[past].sum(1)),
    "rows of its ids": lambda m, item, past: (past, m.known[past].sum((1, 2, 3))),
    "rows of its ids, selected": lambda m, item, past: (past, m.known.index_select(0, item).sum((1, 2))),
    "a column of several": lambda m, item, past: (past, m.bias[torch.stack([item, item], 1)[:, 1]]),
    "nothing added": lambda m, item, past: (past + 0, 0.0),
}


@pytest.mark.parametrize("use", list(FREE.values()), ids=list(FREE))
def test_a_column_that_only_looks_up_or_asks_what_is_0_is_renumbered(use):
    model = Asked(use)
    found, _ = ids_of(model)
    assert found == {"item.id", "past.id"}
    seen = survey(model, example(), ("item", "past"))
    scores = {s.name: torch.rand(s.size, generator=torch.Generator().manual_seed(2)) for s in seen.sites}
    plan = choose(seen, {name: x for name, x in scores.items() if name.endswith(".id")}, Budget(0.4))
    small, inputs = apply(model, plan, example()), example(500)
    assert torch.allclose(small(*shrink_inputs(plan, inputs)), masked(model, plan)(*inputs), atol=1e-6)


def test_columns_that_are_compared_are_renumbered_alike_or_not_at_all():
    def seen(m, item, past):
        return past, (past == item[:, None]).any(1).float()

    found, whole = ids_of(Asked(seen))
    assert found == set()
    assert whole["past_table.weight:0"] == (
        "its ids are compared with those of 'item', which is looked up in other rows"
    )
    model = Asked(seen)
    model.item_table = model.past_table
    assert ids_of(model)[0] == {"item+past.id"}
    seen_ = survey(model, example(), ("item", "past"))
    scores = {s.name: torch.rand(s.size, generator=torch.Generator().manual_seed(2)) for s in seen_.sites}
    plan = choose(seen_, {"item+past.id": scores["item+past.id"]}, Budget(0.4))
    item, past = example(500)
    past[:, 0] = item
    small = apply(model, plan, example())
    codes = renumber(plan)
    assert (codes["past"][past] == codes["item"][past]).all()
    assert torch.allclose(small(*shrink_inputs(plan, (item, past))), masked(model, plan)(item, past), atol=1e-6)


@pytest.mark.parametrize(("padding", "free"), [(None, True), (0, True), (1, False), (N - 1, False)])
def test_padding_that_is_not_0_keeps_the_ids_of_its_table(padding, free):
    found, whole = ids_of(Asked(lambda m, item, past: (past, 0.0), padding))
    assert found == ({"item.id", "past.id"} if free else {"item.id"})
    assert free or whole["past_table.weight:0"].startswith(f"padding_idx of its table is {padding}")


def test_padding_of_bags_is_seen_too():
    class Bags(nn.Module):
        def __init__(self, padding):
            super().__init__()
            self.table, self.out = nn.EmbeddingBag(40, 8, mode="sum", padding_idx=padding), nn.Linear(8, 3)

        def forward(self, past):
            return self.out(self.table(past))

    for padding, sites in ((None, 1), (0, 1), (39, 0)):
        found = survey(Bags(padding).eval(), (torch.randint(1, 40, (4, 6)),))
        assert len([s for s in found.sites if s.name.endswith(".id")]) == sites


def test_a_matrix_of_columns_keeps_the_numbers_of_the_one_that_counts():
    class Sides(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.user, self.item, self.out = nn.Embedding(N, 8), nn.Embedding(N, 8), nn.Linear(16, 24)

        def forward(self, x):
            states = torch.cat([self.user(x[:, 0]), self.item(x[:, 1])], 1)
            return self.out(states) + (x[:, 1:2] == N - 1)

    found = survey(Sides().eval(), (torch.randint(1, N, (4, 2)),), ("x",))
    assert [s.name for s in found.sites if s.name.endswith(".id")] == ["x.0.id"]
    assert "aten.eq.Scalar" in found.whole["item.weight:0"]
