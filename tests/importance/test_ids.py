"""The rise of the loss without an id, for all ids at once."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from recprune.errors import SurveyError
from recprune.importance.probe import Probe
from recprune.importance.rules.field_mean import FieldMean
from recprune.importance.rules.mse_increase import MseIncrease
from recprune.models.deepfm import DeepFM
from recprune.tracing.site import Cut, Kind, Site, Survey
from recprune.tracing.trace import survey


def made(rows: int = 60) -> tuple[nn.Module, list[tuple[tuple[torch.Tensor, ...], torch.Tensor]]]:
    torch.manual_seed(0)
    model = DeepFM(["user", "item"], [6, 5], dim=3, hidden=(4,)).eval()
    for tensor in model.parameters():
        tensor.data.normal_()
    inputs = (torch.randint(6, (rows,)), torch.randint(5, (rows,)))
    labels = (torch.rand(rows) > 0.5).float()
    return model, [((inputs[0][a : a + 20], inputs[1][a : a + 20]), labels[a : a + 20]) for a in range(0, rows, 20)]


def test_two_passes_equal_a_slow_loop_over_ids():
    model, batches = made()
    found = survey(model, batches[0][0])
    counts = {"user": torch.arange(6), "item": torch.arange(5)}
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    rises = MseIncrease()(
        site := found.site("item.id"), Probe(model, found, batches, F.binary_cross_entropy_with_logits, counts)
    )
    rows = torch.arange(6, 11)[1:]
    weights = torch.arange(1, 5).double() + 1e-9
    for unit in range(site.size):
        changed, _ = made()
        for table in (changed.table.weight, changed.linear.weight):
            mean = (weights[:, None] * table.detach()[rows].double()).sum(0) / weights.sum()
            table.data[rows[unit]] = mean.float()
        loss = [
            [float(F.binary_cross_entropy_with_logits(m(*inputs), target).detach()) for inputs, target in batches]
            for m in (changed, model)
        ]
        expected = (sum(loss[0]) - sum(loss[1])) / len(batches)
        assert abs(expected - float(rises[unit])) < 1e-5
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_an_id_that_no_row_holds_rises_nothing():
    model, batches = made(rows=20)
    batches = [((i[0].clamp(max=3), i[1]), t) for i, t in batches]
    found = survey(model, batches[0][0])
    rises = MseIncrease()(found.site("user.id"), Probe(model, found, batches, F.binary_cross_entropy_with_logits))
    assert rises[3:].tolist() == [0.0, 0.0]


class Pair(nn.Module):
    """An item and the one before it, looked up in one table."""

    def __init__(self) -> None:
        super().__init__()
        self.columns = ("item", "before", "user")
        self.items, self.users = nn.Embedding(6, 3), nn.Embedding(4, 3)

    def forward(self, item: torch.Tensor, before: torch.Tensor, user: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.items(item) * self.users(user) + self.items(before)).sum(1)


def test_a_row_that_holds_an_id_in_any_of_its_columns_counts_once():
    torch.manual_seed(0)
    model = Pair().eval()
    batches = [((torch.randint(6, (20,)), torch.randint(6, (20,)), torch.randint(4, (20,))), torch.rand(20))]
    assert (batches[0][0][0] == batches[0][0][1]).any()
    found = survey(model, batches[0][0])
    site = next(s for s in found.sites if set(s.columns) == {"item", "before"})
    counts = {"item": torch.tensor([0, 1, 2, 3, 4, 5]), "before": torch.tensor([0, 5, 0, 2, 0, 0])}
    probe = Probe(model, found, batches, F.mse_loss, counts)
    assert probe.counts(site).tolist() == [6, 2, 5, 4, 5]
    rises = MseIncrease()(site, probe)
    rows, weights = model.items.weight.detach()[1:].double(), torch.tensor([6.0, 2, 5, 4, 5]).double() + 1e-9
    mean = ((weights[:, None] * rows).sum(0) / weights.sum()).float()
    (inputs, target) = batches[0]
    model.items.weight.data[0] = mean
    before = model.items.weight.detach().clone()
    for unit in range(site.size):
        loss = float(F.mse_loss(model(*inputs), target).detach())
        model.items.weight.data[unit + 1] = mean
        assert abs(float(F.mse_loss(model(*inputs), target).detach()) - loss - float(rises[unit])) < 1e-5
        model.items.weight.data.copy_(before)


class Bag(nn.Module):
    """The sum of a row's ids: a list of ids, and where each row begins in it."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.out = nn.EmbeddingBag(12, 3, mode="sum"), nn.Linear(3, 1)

    def forward(self, ids: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        return self.out(torch.tanh(self.table(ids, offsets)))[:, 0]


def bag(offsets: list[int], ids: int) -> tuple[nn.Module, list]:
    torch.manual_seed(0)
    where = torch.tensor(offsets)
    return Bag(), [((torch.randint(12, (ids,)), where), torch.randn(len(where)))]


@pytest.mark.parametrize(("offsets", "ids"), [(list(range(0, 30, 3)), 30), ([0, 0, 0, 5, 5, 5, 5, 5, 5, 5], 10)])
def test_ids_in_lists_with_offsets_are_measured_one_at_a_time(offsets: list[int], ids: int):
    model, batches = bag(offsets, ids)
    found = survey(model, (torch.arange(12), torch.arange(0, 12, 2)))
    site = found.site("input0.id")
    rises = MseIncrease()(site, Probe(model, found, batches, F.mse_loss))
    (inputs, target) = batches[0]
    with torch.no_grad():
        before, rows = float(F.mse_loss(model(*inputs), target)), model.table.weight.clone()
        for unit in range(site.size):
            model.table.weight[unit + 1] = rows[0]
            assert float(F.mse_loss(model(*inputs), target)) - before == pytest.approx(float(rises[unit]), abs=1e-6)
            model.table.weight.copy_(rows)
    with pytest.raises(SurveyError, match="one id a row"):
        FieldMean()(site, Probe(model, found, batches, F.mse_loss))


def test_lists_of_one_id_each_are_measured_all_at_once():
    model, batches = bag(list(range(10)), 10)
    found = survey(model, batches[0][0])
    assert Probe(model, found, batches, F.mse_loss).holds_one_id(found.site("input0.id"))


class Among(nn.Module):
    """Each user's own item among those of the other rows."""

    def __init__(self) -> None:
        super().__init__()
        self.columns = ("user", "item")
        self.users, self.items = nn.Embedding(6, 3), nn.Embedding(6, 3)

    def forward(self, user: torch.Tensor, item: torch.Tensor) -> torch.Tensor:
        return (self.users(user) @ self.items(item).T).log_softmax(1).diagonal()


def test_ids_that_other_rows_read_are_measured_one_at_a_time():
    torch.manual_seed(0)
    model = Among()
    sites = tuple(Site(f"{c}.id", Kind.ID, 5, (Cut(f"{c}s.weight", 0, 1),), c, 0) for c in ("user", "item"))
    found = Survey(sites, {}, {}, {}, "", features=frozenset({"users.weight", "items.weight"}))
    batches = [((torch.randint(6, (9,)), torch.randint(6, (9,))), torch.zeros(9))]
    probe = Probe(model, found, batches, F.mse_loss)
    for site in sites:
        assert not probe.holds_one_id(site)
        expected = [probe.loss_without(site, unit) - probe.loss for unit in range(5)]
        assert MseIncrease()(site, probe).tolist() == pytest.approx(expected)
