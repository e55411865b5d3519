"""A softmax over drawn items from factors, beside the plain loss."""

import pytest
import torch

from recprune import dispatch
from recprune.training import losses, soft_losses
from recprune.training.softmax_of_all import Workspace
from recprune.training.softmax_of_some import same, softmax_of_some, taught_softmax_of_some


def factors(dtype=torch.float32, batch=9, items=30, drawn=25, dim=6):
    g = torch.Generator().manual_seed(0)
    query, table = (torch.randn(n, dim, generator=g, dtype=dtype) for n in (batch, items))
    wanted, other = (torch.randint(1, items, (n,), generator=g) for n in (batch, drawn))
    return query, table, torch.randn(items, generator=g, dtype=dtype), wanted, other


def plain(query, table, log_q, wanted, drawn):
    positive, negative = (query * table[wanted]).sum(1), query @ table[drawn].T
    return losses.sampled_softmax(positive, negative, log_q[drawn], drawn == wanted[:, None])


def mine(query, table, log_q, wanted, drawn, half=False):
    return softmax_of_some(query, table[wanted], table[drawn], log_q[drawn], (wanted, drawn), Workspace(half))


def of(way, query, table, *rest, **more):
    q, t = query.clone().requires_grad_(), table.clone().requires_grad_()
    loss = way(q, t, *rest, **more)
    (2 * loss).backward()
    return loss.detach(), q.grad, t.grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kernels", [None, "numpy"])
def test_loss_and_gradients_are_those_of_the_plain_loss(monkeypatch, dtype, kernels):
    monkeypatch.setenv("RECPRUNE_KERNELS", kernels or dispatch.which())
    given = factors(dtype)
    assert (given[3][:, None] == given[4]).any()
    for one, other in zip(of(mine, *given), of(plain, *given), strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernels", [None, "numpy"])
def test_half_precision_is_near(monkeypatch, kernels):
    monkeypatch.setenv("RECPRUNE_KERNELS", kernels or dispatch.which())
    given = factors()
    near, exact = of(mine, *given, half=True), of(plain, *given)
    assert float(near[0]) == pytest.approx(float(exact[0]), abs=0.03)
    for one, other in zip(near[1:], exact[1:], strict=True):
        assert float((one - other).norm() / other.norm()) < 0.03


@pytest.mark.parametrize("kernels", [None, "numpy"])
def test_where_all_that_was_drawn_is_the_answer_there_is_nothing_to_lose(monkeypatch, kernels):
    monkeypatch.setenv("RECPRUNE_KERNELS", kernels or dispatch.which())
    query, table, log_q, _, _ = factors(batch=2)
    wanted, drawn = torch.tensor([3, 4]), torch.tensor([3, 3])
    found, other = (of(way, query, table, log_q, wanted, drawn) for way in (mine, plain))
    for one, two in zip(found, other, strict=True):
        assert torch.allclose(one, two, atol=1e-5)
    assert torch.equal(found[1][0], torch.zeros(6))


def test_pairs_of_equal_codes_are_all_found():
    wanted, drawn = torch.tensor([5, 1, 9, 5]), torch.tensor([2, 5, 1, 5])
    rows, columns = same(wanted, drawn)
    assert sorted(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 1), (0, 3), (1, 2), (3, 1), (3, 3)]
    assert len(same(torch.tensor([7]), drawn)[0]) == 0


@pytest.mark.parametrize("kernels", [None, "numpy"])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_a_teacher_says_is_learned_as_by_the_plain_losses(monkeypatch, kernels, temperature, share, dtype):
    monkeypatch.setenv("RECPRUNE_KERNELS", kernels or dispatch.which())
    given = factors(dtype)
    for one, other in zip(
        of(taught_mine, *given, share=share, temperature=temperature),
        of(taught_plain, *given, share=share, temperature=temperature),
        strict=True,
    ):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernels", [None, "numpy"])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_a_teacher_of_nothing_but_the_answer_leaves_nothing_to_learn(monkeypatch, kernels, temperature):
    monkeypatch.setenv("RECPRUNE_KERNELS", kernels or dispatch.which())
    query, table, log_q, _, _ = factors(batch=2)
    wanted, drawn = torch.tensor([3, 4]), torch.tensor([3, 3])
    given = query[:1], table, log_q, wanted[:1], drawn
    loss, *gradients = of(taught_mine, *given, share=0.5, temperature=temperature)
    assert float(loss) == pytest.approx(0.0, abs=1e-6)
    assert all(float(one.abs().max()) < 1e-6 for one in gradients)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_a_teacher_in_half_precision_is_near(temperature):
    given = factors()
    near, exact = (of(taught_mine, *given, share=0.5, temperature=temperature, half=half) for half in (True, False))
    assert float(near[0]) == pytest.approx(float(exact[0]), abs=0.1)
    for one, other in zip(near[1:], exact[1:], strict=True):
        assert float((one - other).norm() / other.norm()) < 0.03


def taught_by(table, wanted, drawn, query):
    g = torch.Generator().manual_seed(1)
    theirs = torch.randn(len(table), 9, generator=g, dtype=table.dtype)
    said = torch.randn(len(query), 9, generator=g, dtype=table.dtype)
    return said, theirs[wanted], theirs[drawn]


def taught_plain(query, table, log_q, wanted, drawn, share, temperature):
    said, answers, items = taught_by(table, wanted, drawn, query)
    same_ones = drawn == wanted[:, None]
    both = [
        torch.cat([(q * a).sum(1, keepdim=True), q @ i.T], 1)
        for q, a, i in ((query, table[wanted], table[drawn]), (said, answers, items))
    ]
    hard = losses.sampled_softmax(both[0][:, 0], both[0][:, 1:], log_q[drawn], same_ones)
    soft = soft_losses.sampled_softmax(*both, log_q[drawn], same_ones, temperature)
    return (1 - share) * hard + share * soft


def taught_mine(query, table, log_q, wanted, drawn, share, temperature, half=False):
    spaces = tuple(Workspace(half) for _ in range(3))
    taught = taught_by(table.detach(), wanted, drawn, query)
    factors_ = (query, table[wanted], table[drawn])
    return taught_softmax_of_some(factors_, taught, log_q[drawn], (wanted, drawn), share, temperature, spaces)
