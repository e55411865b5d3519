import re

import numpy as np
import pytest
import torch
from torch import nn

from recprune import discover, models
from recprune.data.dataset import Dataset, Roles, Split
from recprune.data.vocabulary import Vocabulary
from recprune.errors import DataError, ExtensionError
from recprune.models.build import build
from recprune.models.recommender import Recommender


def split():
    columns = {name: np.array([1, 2, 3], dtype=np.int32) for name in ("user", "item", "city")}
    vocabularies = {name: Vocabulary(name, [f"{name}{i}" for i in range(3 + n)]) for n, name in enumerate(columns)}
    data = Dataset(columns, vocabularies, Roles(user="user", item="item", categorical=("city",)))
    return Split(data, data, data)


@pytest.mark.parametrize("name", discover.names(models))
def test_every_model_is_built_for_the_data(name):
    model = build(name, split())
    assert isinstance(model, Recommender)
    assert model.config


def test_what_is_no_model_is_not_offered():
    assert not {"build", "recommender", "_ridge"} & set(discover.names(models))


def test_tables_have_a_row_for_every_code():
    model = build("deepfm", split())
    assert len(model.table.weight) == 4 + 5 + 6
    assert model.columns == ("user", "item", "city")
    assert model.offsets.tolist() == [0, 4, 9]


def test_the_seed_draws_the_weights_and_torch_does_not_notice():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one, again, other = (build("mf", split(), seed=s).user.weight for s in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(before, torch.get_rng_state())


def test_an_unknown_option_is_named_with_those_there_are():
    with pytest.raises(ExtensionError, match="dim, hidden") as error:
        build("deepfm", split(), dims=3)
    assert error.value.option == "dims"


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("mf", {"dim": "abc"}, "option dim of mf is a whole number, not 'abc'"),
        ("mf", {"dim": 2.5}, "option dim of mf is a whole number, not 2.5"),
        ("mf", {"dim": True}, "option dim of mf is a whole number, not True"),
        ("ease", {"reg": "much"}, "option reg of ease is a number, not 'much'"),
        ("deepfm", {"hidden": 8}, "option hidden of deepfm is a list, not 8"),
        ("fism", {"start": 3}, "option start of fism is a text, not 3"),
    ],
)
def test_an_option_of_another_kind_is_named_with_what_it_should_be(name, options, said):
    with pytest.raises(ExtensionError, match=re.escape(said)):
        build(name, split(), **options)


def test_numbers_of_numpy_are_numbers():
    assert build("mf", split(), dim=np.int64(4)).config["dim"] == 4
    assert build("ease", split(), reg=np.float32(2)).config["reg"] == 2
    assert build("ease", split(), reg=3).config["reg"] == 3


def test_a_class_whose_annotations_mean_nothing_here_takes_what_it_is_given(monkeypatch):
    class Own(nn.Module):
        def __init__(self, width: "Somewhere" = 1):  # noqa: F821
            super().__init__()
            self.width = width

        @classmethod
        def of(cls, split, width=1):
            return cls(width)

    monkeypatch.setattr("recprune.discover.load", lambda folder, name: Own)
    assert build("here:Own", split(), width="wide").width == "wide"


def test_an_unknown_model_is_refused():
    with pytest.raises(ExtensionError, match="deepfm"):
        build("deepmf", split())


def test_a_class_of_ones_own_is_built_by_its_full_name():
    model = build("recprune.models.mf:MF", split(), dim=2)
    assert model.user.weight.shape == (4, 2)


def test_a_field_that_the_data_lacks_is_refused():
    with pytest.raises(DataError):
        build("deepfm", split(), fields=("user", "colour"))
