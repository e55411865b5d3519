"""Losses against what a larger model says instead of what was seen. Hinton et al. 2015, section 2.

The scores of both models are divided by a temperature; the square of it keeps the gradients as large as they were.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from recprune.training import losses

__all__ = ["bce", "bpr", "mse", "sampled_softmax", "softmax"]


def bce(logits: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """Binary cross-entropy against the teacher's probabilities; both are logits (batch,)."""
    return temperature**2 * losses.bce(logits / temperature, torch.sigmoid(teacher / temperature))


def mse(scores: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """Mean squared distance from the teacher's scores; a score is no logit, so that the temperature has no part."""
    return losses.mse(scores, teacher)


def softmax(scores: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """Cross-entropy against the teacher's softmax over the items that the model can recommend, those with a score above
    -inf; both (batch, items)."""
    gone = scores.isneginf()
    taught = torch.softmax((teacher / temperature).masked_fill(gone, -torch.inf), 1)
    logs = F.log_softmax(scores / temperature, 1).masked_fill(gone | (taught == 0), 0.0)
    return -(temperature**2) * (taught * logs).sum(1).mean()


def bpr(
    positive: Tensor, negative: Tensor, teacher_positive: Tensor, teacher_negative: Tensor, temperature: float = 1.0
) -> Tensor:
    """Cross-entropy against the probability by which the teacher prefers the positive item to each drawn one.

    positive (batch,), negative (batch, m), the teacher's alike (Burges et al. 2005, section 3, for such targets).
    """
    taught = teacher_positive.unsqueeze(1) - teacher_negative
    return bce(positive.unsqueeze(1) - negative, taught, temperature)


def sampled_softmax(scores: Tensor, teacher: Tensor, log_q: Tensor, same: Tensor, temperature: float = 1.0) -> Tensor:
    """`softmax` over the positive item and m drawn ones, corrected as `losses.sampled_softmax` corrects them.

    scores and teacher: (batch, 1 + m), the positive first; log_q: (m,); same: (batch, m).
    """
    shift = F.pad(log_q + math.log(len(log_q)), (1, 0))
    gone = F.pad(same, (1, 0))
    ours, theirs = ((s / temperature - shift).masked_fill(gone, -torch.inf) for s in (scores, teacher))
    weighed = torch.softmax(theirs, 1) * torch.log_softmax(ours, 1).masked_fill(gone, 0.0)
    return -(temperature**2) * weighed.sum(1).mean()
