import pytest
import torch
from torch import nn

from recprune.errors import TrainingError
from recprune.training.dropout import rescale_dropout_


def test_a_quarter_of_the_network_is_left_half_of_the_dropout():
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Sequential(nn.Dropout2d(0.2), nn.ReLU()))
    rescale_dropout_(model, 0.25)
    assert [m.p for m in model.modules() if hasattr(m, "p")] == [0.25, 0.1]
    zeros = (model[1](torch.ones(10_000)) == 0).float().mean()
    assert abs(zeros - 0.25) < 0.03


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_outside_its_range_is_refused(share):
    with pytest.raises(TrainingError):
        rescale_dropout_(nn.Dropout(0.5), share)
