import numpy as np
import pytest
import torch

import recprune
from recprune.data.dataset import Histories
from recprune.errors import DataError
from recprune.evaluation.inputs import example
from recprune.models._alternating import alternate, solved_rows
from recprune.models.als import Als
from recprune.packing import pack
from recprune.testing import tiny_split
from recprune.tracing.site import Kind
from recprune.training.fit import FitOptions, fit


def histories(n_users=40, n_items=14, seed=0):
    rng = np.random.default_rng(seed)
    rows = [rng.choice(np.arange(n_items), rng.integers(1, 7), replace=False) for _ in range(n_users)]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    return Histories(starts.astype(np.int64), np.concatenate(rows).astype(np.int32), n_items)


def objective(x, users, items, alpha, reg):
    """The sum of Rendle et al. 2022, equations 4 to 6, by dense matrices."""
    dots = users @ items.T
    weight = reg * ((x.sum(1) + alpha * x.shape[1]) @ (users**2).sum(1))
    weight += reg * ((x.sum(0) + alpha * x.shape[0]) @ (items**2).sum(1))
    return (x * (dots - 1) ** 2).sum() + alpha * (dots**2).sum() + weight


def test_a_row_is_the_least_squares_solution():
    matrix, alpha, reg = histories().matrix(unknown=False), 0.2, 0.05
    factors = torch.randn(14, 3, generator=torch.Generator().manual_seed(0))
    found, x, f = solved_rows(matrix, factors, alpha, reg).numpy(), matrix.toarray().astype(np.float64), factors.numpy()
    for row in range(len(x)):
        left = f.T @ np.diag(x[row] + alpha) @ f + reg * (x[row].sum() + alpha * 14) * np.eye(3)
        np.testing.assert_allclose(found[row], np.linalg.solve(left, f.T @ x[row]), atol=1e-5)


def test_every_sweep_makes_the_objective_smaller():
    data, alpha, reg = histories(), 0.2, 0.05
    x = data.matrix(unknown=False).toarray().astype(np.float64)
    start = 0.1 * torch.randn(14, 3, generator=torch.Generator().manual_seed(0))

    def after(sweeps):
        items = alternate(data, start, alpha, reg, sweeps)
        users = solved_rows(data.matrix(unknown=False), items, alpha, reg)
        return objective(x, users.double().numpy(), items.double().numpy(), alpha, reg)

    values = [after(sweeps) for sweeps in range(5)]
    assert values == sorted(values, reverse=True)
    assert values[4] < values[0]


def test_sweeps_that_go_a_few_steps_end_where_exact_ones_do():
    data, alpha, reg = histories(n_users=60), 0.2, 0.05
    x = data.matrix(unknown=False).toarray().astype(np.float64)
    start = 0.5 * torch.randn(14, 3, generator=torch.Generator().manual_seed(3))

    def exact(rows, factors):
        ridge = reg * (rows.sum(1) + alpha * len(factors))
        left = np.einsum("un,nd,ne->ude", rows + alpha, factors, factors) + ridge[:, None, None] * np.eye(3)
        return np.linalg.solve(left, (rows @ factors)[..., None])[..., 0]

    items = start.double().numpy()
    for _ in range(60):
        users = exact(x, items)
        items = exact(x.T, users)
    few = alternate(data, start, alpha, reg, 60).double().numpy()
    least = objective(x, exact(x, items), items, alpha, reg)
    assert objective(x, exact(x, few), few, alpha, reg) == pytest.approx(least, rel=1e-4)


def test_factors_are_turned_to_their_principal_axes():
    data = histories()
    items = alternate(data, torch.randn(14, 3, generator=torch.Generator().manual_seed(0)), 0.2, 0.05, 2)
    products = items.double().T @ items.double()
    assert torch.allclose(products, products.diagonal().diag(), atol=1e-5)
    assert products.diagonal().tolist() == sorted(products.diagonal().tolist(), reverse=True)


def test_a_user_is_folded_in_exactly():
    data = histories()
    model = Als(14, dim=5, alpha=0.2, reg=0.05)
    model.refit_(data)
    x = data.matrix(unknown=False)
    wanted = solved_rows(x, model.item.weight.detach(), 0.2, 0.05)
    history = torch.from_numpy(x.toarray())
    by_graph = model.query(history)
    assert by_graph.requires_grad
    with torch.no_grad():
        by_kernel = model.query(history)
    for found in (by_graph, by_kernel, model.reader()(history)):
        assert torch.allclose(found, wanted, atol=1e-5)
    assert torch.allclose(model(history), wanted @ model.item.weight.T, atol=1e-4)


@pytest.mark.parametrize("level", ["numpy", "portable C"])
def test_users_of_histories_with_shares_are_found_alike_with_and_without_c(level, monkeypatch):
    monkeypatch.setenv("RECPRUNE_KERNELS", level)
    model = Als(14, dim=5, alpha=0.2, reg=0.05)
    model.refit_(histories())
    history = torch.rand(7, 14, generator=torch.Generator().manual_seed(1))
    history[2] = 0
    with torch.no_grad():
        found = model.query(history)
    assert torch.allclose(found, model.query(history), atol=1e-5)
    assert not found[2].any()


def test_dims_leave_exactly_where_there_are_more_of_them_than_items():
    split = tiny_split()
    model = recprune.build("als", split, dim=64, seed=1)
    fit(model, split)
    assert [site.size for site in recprune.survey(model, example(model, split)).sites] == [64]
    with torch.no_grad():  # no principal axes any more, which is when it takes many steps
        model.item.weight.add_(0.1 * torch.randn(model.item.weight.shape, generator=torch.Generator().manual_seed(0)))
    history, weight = example(model, split)[0], model.item.weight.detach()
    ridge = 0.003 * (history.sum(1) + 0.1 * len(weight))
    left = torch.einsum("un,nd,ne->ude", history + 0.1, weight, weight) + ridge[:, None, None] * torch.eye(64)
    wanted = torch.linalg.solve(left.double(), (history @ weight).double().unsqueeze(2)).squeeze(2)
    assert torch.allclose(model.query(history).double(), wanted, atol=1e-5)


def test_a_graph_says_what_the_model_says():
    split = tiny_split()
    model = recprune.build("als", split, dim=4)
    fit(model, split)
    inputs = example(model, split)
    with torch.no_grad():
        graph = torch.export.export(model, inputs).module()
        assert torch.allclose(graph(*inputs), model(*inputs), atol=1e-5)


def test_a_packed_table_scores_as_its_decoded_rows():
    model = Als(40, dim=8)
    small = pack(model, {"item.weight": "int8_rows"})
    again = Als(40, dim=8)
    history = (torch.rand(3, 40, generator=torch.Generator().manual_seed(0)) < 0.2).float()
    with torch.no_grad():
        again.item.weight.copy_(small.item.weight)
        assert torch.allclose(small(history), again(history), atol=1e-5)
    with pytest.raises(DataError, match="packed"):
        small.refit_(histories(n_items=40))


def test_fit_learns_and_dims_leave_exactly():
    split = tiny_split(users=60)
    model = recprune.build("als", split, dim=6)
    fit(model, split, FitOptions(reg=0.02))
    assert model.config["reg"] == 0.02
    other = recprune.build("popularity", split)
    fit(other, split)
    first, second = (recprune.evaluate(m, split, "test", k=3).mean["recall@3"] for m in (model, other))
    assert first > second
    assert [site.kind for site in recprune.survey(model, example(model, split)).sites] == [Kind.DIM]
    small = recprune.prune(model, split, factor=0.5).model
    assert small.item.weight.shape[1] == 3
    assert recprune.evaluate(small, split, "test", k=3).mean["recall@3"] > second


def test_histories_of_another_number_of_items_and_no_reg_are_refused():
    with pytest.raises(DataError) as error:
        Als(5).refit_(histories())
    assert (error.value.expected, error.value.found) == (5, 14)
    with pytest.raises(DataError):
        Als(14).refit_(histories(), 0.0)


@pytest.mark.parametrize("graph", [False, True])
def test_an_item_that_is_unknown_is_none_that_a_user_had(graph):
    model = Als(14, dim=5, alpha=0.2, reg=0.05)
    model.refit_(histories())
    history = torch.eye(14)[3] + torch.eye(14)[5]
    both = torch.stack([history, history])
    both[1, 0] = 1.0
    with torch.no_grad():
        found = torch.export.export(model, (both,)).module()(both) if graph else model(both)
    assert torch.allclose(found[0], found[1], atol=1e-6)
