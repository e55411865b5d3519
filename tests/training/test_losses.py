import math

import torch

from recprune.importance.passes import row_losses
from recprune.training import losses


def test_bpr_is_log_two_where_both_score_alike():
    assert math.isclose(losses.bpr(torch.zeros(3), torch.zeros(3, 2)).item(), math.log(2), rel_tol=1e-6)


def test_bpr_falls_when_the_positive_rises():
    low, high = (losses.bpr(torch.full((2,), s), torch.zeros(2, 4)).item() for s in (0.0, 3.0))
    assert high < low


def test_bce_is_minus_the_log_of_the_likelihood():
    logits, labels = torch.tensor([2.0, -1.0]), torch.tensor([1.0, 0.0])
    expected = -(math.log(1 / (1 + math.exp(-2))) + math.log(1 - 1 / (1 + math.exp(1)))) / 2
    assert math.isclose(losses.bce(logits, labels).item(), expected, rel_tol=1e-6)


def test_mse_is_the_mean_of_the_squares():
    assert losses.mse(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 0.0])).item() == 5.0


def test_sampled_softmax_over_every_item_once_is_the_full_softmax():
    torch.manual_seed(0)
    scores, target = torch.randn(5, 7), torch.tensor([0, 3, 6, 3, 1])
    positive = scores.gather(1, target[:, None]).squeeze(1)
    same = torch.arange(7) == target[:, None]
    sampled = losses.sampled_softmax(positive, scores, torch.full((7,), -math.log(7)), same)
    assert torch.allclose(sampled, losses.softmax(scores, target), atol=1e-6)


def test_sampled_softmax_estimates_the_full_one_under_a_skewed_sampler():
    generator = torch.Generator().manual_seed(1)
    scores, target = torch.randn(4, 50, generator=generator), torch.tensor([1, 2, 3, 4])
    q = torch.arange(1, 51).float() / torch.arange(1, 51).sum()
    drawn = torch.multinomial(q, 20_000, replacement=True, generator=generator)
    positive = scores.gather(1, target[:, None]).squeeze(1)
    sampled = losses.sampled_softmax(positive, scores[:, drawn], q.log()[drawn], drawn == target[:, None])
    assert abs(sampled.item() - losses.softmax(scores, target).item()) < 0.03


def test_multinomial_is_the_mean_cross_entropy_of_the_entries():
    scores, history = torch.zeros(2, 4), torch.tensor([[0.0, 1, 1, 0], [0, 0, 0, 1]])
    assert math.isclose(losses.multinomial(scores, history).item(), math.log(4), rel_tol=1e-6)


def test_multinomial_of_empty_histories_is_zero():
    assert losses.multinomial(torch.zeros(1, 3), torch.zeros(1, 3)).item() == 0.0


def test_the_generalized_multinomial_is_what_its_shares_of_the_softmax_lack():
    scores, history = torch.tensor([[1.0, 3.0, -2.0, 0.5]]), torch.tensor([[0.0, 1.0, 0.0, 1.0]])
    shares = torch.softmax(scores, 1)[0]
    wanted = (2 - shares[1].item() ** 0.3 - shares[3].item() ** 0.3) / 0.3 / 2
    assert math.isclose(losses.generalized_multinomial(scores, history).item(), wanted, rel_tol=1e-6)
    little = losses.generalized_multinomial(scores, history, 1e-3).item()
    assert math.isclose(little, losses.multinomial(scores, history).item(), rel_tol=1e-2)


def test_an_item_that_cannot_be_recommended_costs_most_but_not_endlessly_much():
    scores = torch.tensor([[0.0, 2.0, -torch.inf, 1.0]], requires_grad=True)
    lost = losses.generalized_multinomial(scores, torch.tensor([[0.0, 0.0, 1.0, 0.0]]))
    assert math.isclose(lost.item(), 1 / 0.3, rel_tol=1e-6)
    lost.backward()
    assert scores.grad.isfinite().all()
    found = losses.generalized_multinomial(scores, torch.tensor([[0.0, 1.0, 0.0, 0.0]])).item()
    assert found < losses.generalized_multinomial(scores, torch.tensor([[1.0, 0.0, 0.0, 0.0]])).item() < lost.item()


def test_what_is_no_candidate_takes_no_share():
    scores, history = torch.tensor([[1.0, 9.0, -2.0, 0.5]]), torch.tensor([[0.0, -1.0, 0.0, 1.0]])
    without = losses.generalized_multinomial(scores[:, [0, 2, 3]], history[:, [0, 2, 3]])
    assert torch.isclose(losses.generalized_multinomial(scores, history), without)
    assert losses.generalized_multinomial(scores, -history.abs()).item() == 0.0


def test_the_generalized_multinomial_is_taken_of_every_row_by_itself_as_well():
    scores, history = torch.randn(3, 5), torch.tensor([[0.0, 1, 0, 1, -1], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
    wanted = [losses.generalized_multinomial(s[None], h[None]) for s, h in zip(scores, history, strict=True)]
    assert torch.allclose(row_losses(scores, history, losses.generalized_multinomial), torch.stack(wanted))


def test_an_item_that_cannot_be_recommended_counts_where_it_is_positive_alone():
    scores = torch.tensor([[-math.inf, 1.0, 2.0, 0.5]], requires_grad=True)
    history = torch.tensor([[0.0, 1.0, 0.0, 1.0]])
    loss = losses.multinomial(scores, history)
    assert torch.isclose(loss, losses.multinomial(scores[:, 1:], history[:, 1:]))
    loss.backward()
    assert bool(scores.grad.isfinite().all())
    assert losses.multinomial(scores, torch.ones(1, 4)).isposinf()
