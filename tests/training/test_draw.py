import numpy as np
import pytest
import torch

from recprune.data.dataset import Histories
from recprune.training.draw import sampler


def histories():
    """Item 1 four times, item 2 once, item 3 never, the unknown item twice."""
    items = np.array([1, 1, 1, 1, 2, 0, 0], dtype=np.int32)
    return Histories(np.array([0, 0, 7]), items, 4)


@pytest.mark.parametrize(("power", "expected"), [(0.0, [1, 1, 1]), (0.5, [2, 1, 1]), (1.0, [4, 1, 1])])
def test_items_are_drawn_by_a_power_of_their_count(power, expected):
    log_q, draw = sampler(histories(), power)
    q = np.array(expected) / sum(expected)
    np.testing.assert_allclose(log_q.exp()[1:], q, rtol=1e-6)
    drawn = torch.bincount(draw((20_000,), torch.Generator().manual_seed(0)), minlength=4)
    np.testing.assert_allclose(drawn[1:] / 20_000, q, atol=0.015)


def test_the_unknown_item_is_never_drawn():
    log_q, draw = sampler(histories(), 1.0)
    assert log_q[0] == -torch.inf
    assert (draw((50, 40), torch.Generator().manual_seed(1)) > 0).all()
