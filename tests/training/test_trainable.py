import pytest
import torch

from recprune.errors import TrainingError
from recprune.models.mf import MF
from recprune.packing import pack
from recprune.training.trainable import check_place, check_trainable, place_of


def test_what_cannot_be_trained_says_what_to_do():
    model = MF(200, 300, 16)
    check_trainable(model)
    with pytest.raises(TrainingError, match="unpack") as error:
        check_trainable(pack(model, {"item.weight": "int8_rows"}, (torch.arange(3),)))
    assert error.value.module == "item"
    with pytest.raises(TrainingError, match=r"is on meta, and training runs on cpu and cuda"):
        check_trainable(MF(3, 3, 2).to("meta"))
    model.item.sparse = True
    with pytest.raises(TrainingError, match="sparse = False"):
        check_trainable(model)


def test_a_model_is_trained_in_one_place_and_taught_there():
    model = MF(3, 3, 2)
    assert place_of(model) == torch.device("cpu")
    check_place(model, "the teacher", torch.device("cpu"))
    with pytest.raises(TrainingError, match=r"the teacher is on cpu and what it teaches on cuda:0"):
        check_place(model, "the teacher", torch.device("cuda", 0))
    model.user.to("meta")
    with pytest.raises(TrainingError, match="the model is on cpu and meta"):
        place_of(model)
