"""Losses: what training makes small. Each is a function of tensors and returns one number, the mean over the batch."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["bce", "bpr", "generalized_multinomial", "mse", "multinomial", "sampled_softmax", "softmax"]


def bce(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy: -y log s(x) - (1 - y) log(1 - s(x)). logits and labels (batch,)."""
    return F.binary_cross_entropy_with_logits(logits, labels)


def mse(scores: Tensor, ratings: Tensor) -> Tensor:
    """Mean squared error. scores and ratings (batch,)."""
    return F.mse_loss(scores, ratings)


def bpr(positive: Tensor, negative: Tensor) -> Tensor:
    """-log s(positive - negative), positive (batch,), negative (batch, m). Rendle et al. 2009, section 4.1."""
    return F.softplus(negative - positive.unsqueeze(1)).mean()


def softmax(scores: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy over all items: scores (batch, n_items), target (batch,) codes."""
    return F.cross_entropy(scores, target)


def multinomial(scores: Tensor, history: Tensor) -> Tensor:
    """Cross-entropy of whole histories: both (batch, n_items), history 0/1. Liang et al. 2018, equation 2.

    The mean over all positive entries of the batch; 0 where there are none. An item that cannot be recommended has a
    score of -inf, which counts where it is positive alone.
    """
    logs = F.log_softmax(scores, 1).masked_fill(history == 0, 0.0)
    return -(logs * history).sum() / history.sum().clamp(min=1)


def generalized_multinomial(scores: Tensor, history: Tensor, power: float = 0.3) -> Tensor:
    """(1 - p^power) / power for every positive entry, p its share of the softmax over a row: both (batch, n_items).

    The generalised cross-entropy (Zhang & Sabuncu 2018, equation 6), which is `multinomial` at power 0: an item that
    cannot be recommended, with a score of -inf, costs 1 / power and not endlessly much, and one that would not have
    been found costs little less. About as the gain of a place in a list falls, 1 / log2(1 + place): with p = 1 / place,
    p^0.3 is 0.62, 0.38, 0.25 at places 5, 25, 100 where the gain is 0.39, 0.21, 0.15.
    history: 1 where positive; below 0 where an item is no candidate at all and its score does not count.
    """
    shares = F.log_softmax(scores.masked_fill(history < 0, -torch.inf), 1)
    there = (history > 0).nonzero(as_tuple=True)
    lost, positive = (1 - torch.exp(power * shares[there])) / power, history[there]
    return (lost * positive).sum() / positive.sum().clamp(min=1)


def sampled_softmax(positive: Tensor, negative: Tensor, log_q: Tensor, same: Tensor) -> Tensor:
    """Softmax over the positive item and m items that were drawn with repetition, corrected for how likely they were.

    positive (batch,) and negative (batch, m): scores; log_q (m,): log of the probability to draw that item from the
    distribution; same (batch, m): where a drawn item is the positive itself, which then counts once only. The sum over
    all other items is estimated by sum_j exp(negative_j) / (m q_j) (Bengio & Senécal 2008, section III; the positive
    needs no correction, for it is always there: Khrylchenko et al. 2025, section 3).
    """
    corrected = (negative - log_q - math.log(negative.shape[1])).masked_fill(same, -torch.inf)
    return (torch.logsumexp(torch.cat([positive.unsqueeze(1), corrected], 1), 1) - positive).mean()
