import pytest
import torch

from recprune.errors import TrainingError
from recprune.models.mf import MF
from recprune.packing import pack
from recprune.training.trainable import check_trainable


def test_what_cannot_be_trained_says_what_to_do():
    model = MF(200, 300, 16)
    check_trainable(model)
    with pytest.raises(TrainingError, match="unpack") as error:
        check_trainable(pack(model, {"item.weight": "int8_rows"}, (torch.arange(3),)))
    assert error.value.module == "item"
    with pytest.raises(TrainingError, match=r"model\.cpu"):
        check_trainable(MF(3, 3, 2).to("meta"))
    model.item.sparse = True
    with pytest.raises(TrainingError, match="sparse = False"):
        check_trainable(model)
