import numpy as np
import pytest
import torch
from torch import nn

from recprune.errors import TrainingError
from recprune.testing import tiny_split
from recprune.training.rounded import rounded
from recprune.training.smoothed import Graph, smoothed


class Table(nn.Module):
    def __init__(self, items, share=0.9, damp=0.0):
        super().__init__()
        self.damp = damp
        self.share, self.item, self.rest = share, nn.Embedding(items, 4), nn.Parameter(torch.ones(1))

    def smoothing(self):
        return {"item.weight": (self.share, self.damp)}


@pytest.fixture
def data():
    return tiny_split().train


def dense(data):
    matrix = data.histories().matrix().toarray()
    matrix[:, 0] = 0
    users, items = np.maximum(matrix.sum(1), 1), np.maximum(matrix.sum(0), 1)
    normal = matrix / np.sqrt(users)[:, None] / np.sqrt(items)
    return torch.from_numpy(normal.T @ normal).float()


def test_spread_goes_from_items_to_users_and_back(data):
    factors = torch.randn(data.n_items, 3)
    assert torch.allclose(Graph(data.histories()).spread(factors), dense(data) @ factors, atol=1e-5)


def test_the_gradient_goes_the_way_back(data):
    graph, factors = Graph(data.histories()), torch.randn(data.n_items, 3, requires_grad=True)
    weights = torch.randn(data.n_items, 3)
    (graph.smooth(factors, 0.7) * weights).sum().backward()
    assert torch.allclose(factors.grad, 0.3 * weights + 0.7 * dense(data) @ weights, atol=1e-5)


def test_a_table_begins_with_its_values_and_ends_plain(data):
    model = Table(data.n_items)
    before, names = model.item.weight.detach().clone(), list(dict(model.named_parameters()))
    with smoothed(model, data):
        assert torch.allclose(model.item.weight, before, atol=1e-4)
        assert list(dict(model.named_parameters())) != names
        with torch.no_grad():
            model.item.parametrizations.weight.original.mul_(2)
    assert torch.allclose(model.item.weight, 2 * before, atol=1e-4)
    assert list(dict(model.named_parameters())) == names


def test_rows_that_many_had_are_made_shorter(data):
    model = Table(data.n_items, 0.7, 0.5)
    counts = np.maximum(data.histories().once().matrix().sum(0), 1.0)
    before = model.item.weight.detach().clone()
    with smoothed(model, data):
        assert torch.allclose(model.item.weight, before, atol=1e-4)
        behind = torch.randn(data.n_items, 4)
        with torch.no_grad():
            model.item.parametrizations.weight.original.copy_(behind)
    whole = 0.3 * behind + 0.7 * dense(data) @ behind
    assert torch.allclose(model.item.weight, whole / torch.from_numpy(np.sqrt(counts).T).float(), atol=1e-5)


def test_a_rounded_table_is_smoothed_first(data):
    model = Table(data.n_items)
    start = model.item.weight.detach().clone()
    with rounded(model, {"item.weight": "int4_rows"}):
        model.eval()
        codes = model.item.weight.detach().clone()
        with smoothed(model, data):
            model.eval()
            assert torch.allclose(model.item.weight, codes, atol=2e-2)
            values = [len(row.unique()) for row in model.item.weight.detach()]
            assert max(values) <= 4
    assert torch.allclose(model.item.weight, start, atol=1e-4)


def test_a_share_of_nothing_does_nothing(data):
    model = Table(data.n_items, 0.0)
    with smoothed(model, data):
        assert "item.weight" in dict(model.named_parameters())


def test_a_whole_share_is_refused(data):
    with (
        pytest.raises(TrainingError, match=r"0 to below 1, not 1\.0: item\.weight"),
        smoothed(Table(data.n_items, 1.0), data),
    ):
        pass
