"""Losses: what training makes small. Each is a function of tensors and returns one number, the mean over the batch."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["bce", "bpr", "mse", "multinomial", "sampled_softmax", "smoothed_multinomial", "softmax"]


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

    The mean over all positive entries of the batch; 0 where there are none.
    """
    return -(F.log_softmax(scores, 1) * history).sum() / history.sum().clamp(min=1)


def smoothed_multinomial(scores: Tensor, history: Tensor) -> Tensor:
    """`multinomial` of an even mixture of the softmax and of a blind guess, 1 / n_items for each: scores may be -inf.

    An item that cannot be recommended costs log(2 n_items), and one that would not have been found costs little less,
    as in a list of the best. Linear interpolation: Jelinek & Mercer 1980; Zhai & Lafferty 2004, section 3.1.
    """
    blind = torch.full_like(scores, -math.log(scores.shape[1]))
    mixed = torch.logaddexp(F.log_softmax(scores, 1), blind) - math.log(2.0)
    return -(mixed * history).sum() / history.sum().clamp(min=1)


def sampled_softmax(positive: Tensor, negative: Tensor, log_q: Tensor, same: Tensor) -> Tensor:
    """Softmax over the positive item and m items that were drawn with repetition, corrected for how likely they were.

    positive (batch,) and negative (batch, m): scores; log_q (m,): log of the probability to draw that item from the
    distribution; same (batch, m): where a drawn item is the positive itself, which then counts once only. The sum over
    all other items is estimated by sum_j exp(negative_j) / (m q_j) (Bengio & Senécal 2008, section III; the positive
    needs no correction, for it is always there: Khrylchenko et al. 2025, section 3).
    """
    corrected = (negative - log_q - math.log(negative.shape[1])).masked_fill(same, -torch.inf)
    return (torch.logsumexp(torch.cat([positive.unsqueeze(1), corrected], 1), 1) - positive).mean()
