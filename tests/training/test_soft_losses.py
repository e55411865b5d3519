import math

import torch

from recprune.training import losses, soft_losses


def gradient(loss, scores):
    scores = scores.clone().requires_grad_()
    loss(scores).backward()
    return scores.grad


def test_a_teacher_that_is_certain_says_what_the_labels_say():
    torch.manual_seed(0)
    logits, labels = torch.randn(6), torch.tensor([1.0, 0, 1, 1, 0, 0])
    assert torch.isclose(soft_losses.bce(logits, 100 * (2 * labels - 1)), losses.bce(logits, labels))
    scores, target = torch.randn(4, 5), torch.tensor([0, 2, 4, 1])
    certain = 100 * torch.nn.functional.one_hot(target, 5).float()
    assert torch.isclose(soft_losses.softmax(scores, certain), losses.softmax(scores, target))


def test_who_says_what_the_teacher_says_has_nothing_to_learn():
    torch.manual_seed(1)
    one, many = torch.randn(5), torch.randn(3, 7)
    for temperature in (1.0, 3.0):
        assert gradient(lambda x, t=temperature: soft_losses.bce(x, one, t), one).abs().max() < 1e-6
        assert gradient(lambda x, t=temperature: soft_losses.softmax(x, many, t), many).abs().max() < 1e-6
    assert gradient(lambda x: soft_losses.mse(x, one), one).abs().max() == 0


def test_at_a_high_temperature_the_gradient_is_the_distance_of_the_centred_scores():
    torch.manual_seed(2)
    scores, teacher = (x - x.mean(1, keepdim=True) for x in torch.randn(2, 1, 6))
    found = gradient(lambda x: soft_losses.softmax(x, teacher, 1000.0), scores)
    torch.testing.assert_close(found, (scores - teacher) / 6, rtol=0, atol=2e-3)


def test_bpr_is_the_cross_entropy_of_preferring_the_positive():
    p, q = 1 / (1 + math.exp(-2.0)), 1 / (1 + math.exp(-0.5))
    expected = -(p * math.log(q) + (1 - p) * math.log(1 - q))
    found = soft_losses.bpr(torch.tensor([0.5]), torch.zeros(1, 1), torch.tensor([3.0]), torch.ones(1, 1))
    assert math.isclose(found.item(), expected, rel_tol=1e-6)


def test_sampled_softmax_over_every_item_once_is_the_full_softmax():
    torch.manual_seed(3)
    scores, teacher, target = torch.randn(5, 7), torch.randn(5, 7), torch.tensor([0, 3, 6, 3, 1])
    first, same = target[:, None], torch.arange(7) == target[:, None]
    ours, theirs = (torch.cat([s.gather(1, first), s], 1) for s in (scores, teacher))
    sampled = soft_losses.sampled_softmax(ours, theirs, torch.full((7,), -math.log(7)), same, 2.0)
    torch.testing.assert_close(sampled, soft_losses.softmax(scores, teacher, 2.0))
    assert torch.isfinite(gradient(lambda x: soft_losses.sampled_softmax(x, theirs, torch.zeros(7), same), ours)).all()


def test_a_teacher_is_asked_for_the_items_that_can_be_recommended():
    scores = torch.tensor([[-math.inf, 1.0, 2.0, 0.5]], requires_grad=True)
    for first in (-math.inf, 3.0):
        teacher = torch.tensor([[first, 0.2, 0.1, -1.0]])
        loss = soft_losses.softmax(scores, teacher, 2.0)
        assert torch.isclose(loss, soft_losses.softmax(scores[:, 1:], teacher[:, 1:], 2.0))
        (gradient,) = torch.autograd.grad(loss, scores)
        assert bool(gradient.isfinite().all())
