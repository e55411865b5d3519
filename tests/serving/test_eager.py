import numpy as np
import pytest
import torch
from torch import nn

from recprune.errors import DataError
from recprune.models.build import build
from recprune.serving.eager import Eager
from recprune.testing import tiny_clicks

NONE = np.zeros(0, np.int64)


class Table(nn.Module):
    """The same scores for everybody, from a table of its own."""

    columns = ("user",)

    def __init__(self, scores):
        super().__init__()
        self.register_buffer("scores", torch.tensor([scores]))

    def forward(self, user):
        return self.scores


def test_equal_scores_stand_by_item_number():
    assert Eager(Table([9.0, 1, 2, 2, 1, 2]), 6).lists(1, NONE, 5, NONE).items.tolist() == [2, 3, 5, 1, 4]


def test_a_list_is_shorter_where_there_are_fewer():
    listed = Eager(Table([0.0, -np.inf, 2, 3]), 4).lists(1, NONE, 3, np.array([3, 3, 0]))
    assert listed.items.tolist() == [2]
    assert listed.scores.tolist() == [2.0]


def test_what_the_model_holds_is_not_written_into():
    model = Table([5.0, 1, 2, 3])
    for _ in range(2):
        assert Eager(model, 4).lists(1, NONE, 3, np.array([3])).items.tolist() == [2, 1]
    assert model.scores.tolist() == [[5.0, 1, 2, 3]]


def test_nan_is_never_listed():
    with pytest.raises(DataError, match="NaN"):
        Eager(Table([0.0, np.nan, 1]), 3).lists(1, NONE, 1, NONE)


def test_a_model_of_another_number_of_items_or_of_rows_is_refused():
    with pytest.raises(DataError, match="one an item"):
        Eager(Table([0.0, 1, 1]), 4).lists(1, NONE, 1, NONE)
    with pytest.raises(DataError, match="/score"):
        Eager(build("lr", tiny_clicks()), 10)
