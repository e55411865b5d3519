import pytest
import torch
from torch.nn import functional as F

from recprune import dispatch
from recprune.training import soft_losses
from recprune.training.softmax_of_all import Workspace, softmax_of_all, taught_softmax_of_all


def factors(seed=0, batch=5, items=11, dim=4):
    g = torch.Generator().manual_seed(seed)
    query = torch.randn(batch, dim, generator=g, dtype=torch.float64).requires_grad_()
    table = torch.randn(items, dim, generator=g, dtype=torch.float64).requires_grad_()
    rows, columns = torch.tensor([0, 0, 1, 3, 3, 3]), torch.tensor([1, 4, 2, 3, 9, 10])
    return query, table, rows, columns


def plain(query, table, rows, columns, temperature):
    scores = query @ table.T / temperature
    scores = torch.cat([torch.full_like(scores[:, :1], -torch.inf), scores[:, 1:]], 1)
    return -F.log_softmax(scores, 1)[rows, columns].mean()


def test_loss_and_gradients_are_those_of_a_plain_softmax():
    one, other = factors(), factors()
    mine, theirs = softmax_of_all(*one, 0.3), plain(*other, 0.3)
    (3 * mine).backward()
    (3 * theirs).backward()
    assert torch.allclose(mine, theirs)
    assert torch.allclose(one[0].grad, other[0].grad)
    assert torch.allclose(one[1].grad, other[1].grad)


def test_half_precision_is_near():
    query, table, rows, columns = (t.float() if t.is_floating_point() else t for t in factors())
    query, table = query.detach().requires_grad_(), table.detach().requires_grad_()
    exact = plain(query, table, rows, columns, 0.5)
    exact.backward()
    wanted = table.grad.clone()
    table.grad = None
    near = softmax_of_all(query, table, rows, columns, 0.5, Workspace(half=True))
    near.backward()
    assert abs(float((near - exact).detach())) < 0.03
    assert float((table.grad - wanted).norm() / wanted.norm()) < 0.03
    assert near.dtype == torch.float32


def test_the_unknown_item_is_no_answer():
    query, table, rows, columns = factors()
    loss = softmax_of_all(query, table, rows, columns, 1.0)
    loss.backward()
    assert torch.equal(table.grad[0], torch.zeros(4, dtype=torch.float64))


def test_a_batch_without_pairs_has_no_loss():
    query, table, *_ = factors()
    none = torch.zeros(0, dtype=torch.int64)
    loss = softmax_of_all(query, table, none, none, 1.0)
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert float(table.grad.abs().sum()) == 0.0


def test_room_that_is_used_again_changes_nothing():
    space = Workspace(half=False)
    first = softmax_of_all(*factors(0), 0.2, space)
    softmax_of_all(*factors(1, batch=4, items=30), 0.2, space)
    assert torch.equal(softmax_of_all(*factors(0), 0.2, space), first)


@pytest.mark.parametrize("half", [False, True])
def test_the_kernel_and_torch_find_the_same(monkeypatch, half):
    found = []
    for way in [dispatch.which(), "numpy"]:
        monkeypatch.setenv("RECPRUNE_KERNELS", way)
        query, table, rows, columns = (t.float() if t.is_floating_point() else t for t in factors(items=70))
        query, table = query.detach().requires_grad_(), table.detach().requires_grad_()
        loss = softmax_of_all(query, table, rows, columns, 0.5, Workspace(half))
        loss.backward()
        found.append((loss.detach(), query.grad, table.grad))
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, rtol=1e-2 if half else 1e-4, atol=1e-3 if half else 1e-6)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_a_teacher_says_is_learned_as_by_the_plain_losses(temperature, share, dtype):
    torch.manual_seed(0)
    query, table = torch.randn(6, 4, dtype=dtype), torch.randn(40, 4, dtype=dtype)
    taught = torch.randn(6, 7, dtype=dtype), torch.randn(40, 7, dtype=dtype)
    answers, found = torch.tensor([1, 5, 39, 2, 2, 7]), []

    def by_plain_losses(query, table):
        scores, theirs = (q @ t.T for q, t in ((query, table), taught))
        hard = F.cross_entropy(scores[:, 1:], answers - 1)
        return (1 - share) * hard + share * soft_losses.softmax(scores[:, 1:], theirs[:, 1:], temperature)

    def by_mine(query, table):
        spaces = tuple(Workspace() for _ in range(3))
        return taught_softmax_of_all(query, table, answers, taught, share, temperature, spaces)

    for way in (by_plain_losses, by_mine):
        q, t = query.clone().requires_grad_(), table.clone().requires_grad_()
        loss = way(q, t)
        (2 * loss).backward()
        found.append((loss.detach(), q.grad, t.grad))
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-5)


def test_a_teacher_in_half_precision_is_near():
    torch.manual_seed(0)
    query, table, answers = torch.randn(6, 8), torch.randn(40, 8), torch.tensor([1, 5, 39, 2, 2, 7])
    taught, found = (torch.randn(6, 7), torch.randn(40, 7)), []
    for half in (False, True):
        q, t = query.clone().requires_grad_(), table.clone().requires_grad_()
        loss = taught_softmax_of_all(q, t, answers, taught, 0.5, 1.0, tuple(Workspace(half) for _ in range(3)))
        loss.backward()
        found.append((float(loss.detach()), t.grad))
    assert found[1][0] == pytest.approx(found[0][0], abs=0.05)
    assert float((found[1][1] - found[0][1]).norm() / found[0][1].norm()) < 0.03


@pytest.mark.parametrize("kernels", [None, "numpy"])
def test_factors_of_float64_are_multiplied_in_half_precision_where_that_is_asked_for(monkeypatch, kernels):
    monkeypatch.setenv("RECPRUNE_KERNELS", kernels or dispatch.which())
    one, other = factors(), factors()
    near, exact = softmax_of_all(*one, 0.5, Workspace(half=True)), plain(*other, 0.5)
    near.backward()
    exact.backward()
    assert float(near.detach()) == pytest.approx(float(exact.detach()), abs=0.03)
    assert float((one[1].grad - other[1].grad).norm() / other[1].grad.norm()) < 0.03
