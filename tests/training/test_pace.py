import math

import pytest
import torch

from recprune.training.options import FitOptions
from recprune.training.pace import batches, rate


@pytest.mark.parametrize(("size", "sizes"), [(7, [3, 4]), (8, [3, 3, 2]), (3, [3]), (1, [1])])
def test_every_row_comes_once_and_a_single_one_joins_the_batch_before(size, sizes):
    parts = batches(size, 3, torch.Generator().manual_seed(0))
    assert [len(part) for part in parts] == sizes
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(size))


def test_the_order_is_drawn_and_the_same_for_the_same_seed():
    first, again, other = (torch.cat(batches(50, 5, torch.Generator().manual_seed(seed))) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_rate_falls_over_the_whole_of_which_a_training_is_a_part():
    options = FitOptions(epochs=4, lr=0.8, schedule="linear")
    assert [rate(options, done) for done in (0, 1, 4)] == pytest.approx([0.8, 0.6, 0.0])
    assert rate(options.part(1, 3), 0.5) == rate(options, 1.5)
    assert rate(FitOptions(epochs=4, lr=0.8, schedule="cosine"), 1) == pytest.approx(0.4 * (1 + math.sqrt(0.5)))
    assert rate(FitOptions(epochs=4, lr=0.8), 3) == 0.8
