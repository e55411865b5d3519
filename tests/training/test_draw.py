import numpy as np
import pytest
import torch

from recprune.data.dataset import Histories
from recprune.training.draw import Drawing, forgotten, sampler


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


def test_codes_are_forgotten_alike_by_one_worker_and_by_those_who_share_a_batch():
    codes, parts = torch.arange(1, 61).view(20, 3), []
    whole = forgotten(codes, 0.4, torch.Generator().manual_seed(3))
    for begin, end in ((0, 8), (8, 20)):
        worker = Drawing()
        worker.manual_seed(3)
        worker.share = (begin, end, 20)
        parts.append(forgotten(codes[begin:end], 0.4, worker))
    assert torch.equal(torch.cat(parts), whole)
    assert torch.equal(whole[whole > 0], codes[whole > 0])
    assert 10 < int((whole == 0).sum()) < 40
    generator = torch.Generator().manual_seed(3)
    assert forgotten(codes, 0.0, generator) is codes
    assert torch.equal(generator.get_state(), torch.Generator().manual_seed(3).get_state())
