import numpy as np
import pytest
import torch

import recprune
from recprune.testing import tiny_split
from recprune.training.propagated import Propagation, propagated


@pytest.fixture
def data():
    return tiny_split().train


def dense(data, layers):
    """The mean of the powers of the whole adjacency matrix, written out."""
    matrix = data.histories().matrix().toarray()
    matrix[:, 0] = 0
    users, items = np.maximum(matrix.sum(1), 1), np.maximum(matrix.sum(0), 1)
    normal = matrix / np.sqrt(users)[:, None] / np.sqrt(items)
    n = data.n_users
    whole = np.zeros((n + data.n_items,) * 2)
    whole[:n, n:], whole[n:, :n] = normal, normal.T
    return torch.from_numpy(sum(np.linalg.matrix_power(whole, k) for k in range(layers + 1)) / (layers + 1)).float()


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_it_is_the_mean_of_the_powers_of_the_graph(data, layers):
    factors = torch.randn(data.n_users + data.n_items, 3)
    found = Propagation(data.histories(), layers)(factors)
    assert torch.allclose(found, dense(data, layers) @ factors, atol=1e-5)


def test_the_gradient_goes_the_way_back(data):
    factors = torch.randn(data.n_users + data.n_items, 3, requires_grad=True)
    weights = torch.randn_like(factors)
    (Propagation(data.histories(), 2)(factors) * weights).sum().backward()
    assert torch.allclose(factors.grad, dense(data, 2) @ weights, atol=1e-5)


def test_tables_begin_with_their_values_and_end_with_the_spread_ones(data):
    model = recprune.build("lightgcn", tiny_split(), dim=4, layers=2)
    names, both = list(model.state_dict()), lambda: torch.cat([model.user.weight, model.item.weight]).detach().clone()
    before = both()
    with propagated(model, data):
        assert torch.allclose(both(), before, atol=1e-4)
        behind = [getattr(model, table).parametrizations.weight.original for table in ("user", "item")]
        with torch.no_grad():
            for each in behind:
                each.copy_(torch.randn_like(each))
        raw = torch.cat([each.detach().clone() for each in behind])
        assert torch.allclose(both(), dense(data, 2) @ raw, atol=1e-5)
    assert torch.allclose(both(), dense(data, 2) @ raw, atol=1e-5)
    assert list(model.state_dict()) == names


def test_both_tables_are_trained_through_the_graph(data):
    model = recprune.build("lightgcn", tiny_split(), dim=4, layers=1)
    with propagated(model, data):
        before = {name: each.detach().clone() for name, each in model.named_parameters()}
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        weights = torch.randn_like(model.item.weight)
        (model.item.weight * weights).sum().backward()
        optimizer.step()
        both = torch.cat([torch.zeros(data.n_users, 4), weights])
        wanted = dense(data, 1) @ both
        moved = torch.cat([before[name] - each.detach() for name, each in model.named_parameters()])
        assert torch.allclose(moved, wanted, atol=1e-5)
        assert moved[: data.n_users].abs().sum() > 0


def test_no_layers_are_a_plain_factorisation(data):
    model = recprune.build("lightgcn", tiny_split(), dim=4, layers=0)
    with propagated(model, data):
        assert "item.weight" in dict(model.named_parameters())


def test_a_training_of_two_parts_goes_on_where_it_was():
    split = tiny_split()
    model = recprune.build("lightgcn", split, dim=4)
    recprune.fit(model, split, recprune.FitOptions(epochs=2, batch=16, loss="bpr", negatives=2))
    after = {name: each.clone() for name, each in model.state_dict().items()}
    recprune.fit(model, split, recprune.FitOptions(epochs=1, batch=16, lr=1e-9, decay=0.0), keep_start=True)
    for name, each in model.state_dict().items():
        assert torch.allclose(each, after[name], atol=1e-4)


def test_it_learns_what_goes_together():
    split = tiny_split()
    model = recprune.build("lightgcn", split, dim=8)
    done = recprune.fit(model, split, recprune.FitOptions(epochs=20, batch=32, lr=0.05, patience=20))
    assert done.history[-1].loss < done.history[0].loss
