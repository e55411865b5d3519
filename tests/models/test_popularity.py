import numpy as np
import pytest
import torch

import recprune
from recprune.data.dataset import Histories
from recprune.errors import DataError
from recprune.evaluation.inputs import example
from recprune.models.popularity import Popularity
from recprune.testing import tiny_split
from recprune.training.fit import fit


def test_the_score_of_an_item_is_how_many_users_had_it():
    data = Histories(np.array([0, 0, 3, 5, 6]), np.array([1, 2, 2, 2, 0, 3], dtype=np.int32), 5)
    model = Popularity(5)
    model.refit_(data)
    assert model(torch.rand(2, 5)).tolist() == [[0, 1, 2, 1, 0]] * 2


def test_fit_counts_the_training_part_alone():
    split = tiny_split()
    model = recprune.build("popularity", split)
    fit(model, split)
    assert model.users.sum() == len(split.train)


def test_the_survey_finds_nothing_that_could_leave():
    split = tiny_split()
    model = recprune.build("popularity", split)
    assert not recprune.survey(model, example(model, split)).sites


def test_histories_of_another_number_of_items_are_refused():
    with pytest.raises(DataError) as error:
        Popularity(4).refit_(Histories(np.array([0, 1]), np.array([1], dtype=np.int32), 5))
    assert (error.value.expected, error.value.found) == (4, 5)
