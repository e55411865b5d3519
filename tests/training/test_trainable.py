import copy

import pytest
import torch

from recprune.errors import TrainingError
from recprune.models.build import build
from recprune.models.mf import MF
from recprune.models.mixture import Mixture
from recprune.packing import pack
from recprune.testing import tiny_clicks, tiny_split
from recprune.training.fit import FitOptions, fit
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


def test_numbers_that_cannot_learn_are_refused_by_name():
    model = MF(3, 4, 2)
    with pytest.raises(TrainingError, match=r"float16.*model\.float\(\)"):
        check_trainable(copy.deepcopy(model).half())
    check_trainable(copy.deepcopy(model).bfloat16())
    with pytest.raises(TrainingError, match=r"items is a sparse matrix.*bfloat16"):
        check_trainable(Mixture(4, 2).bfloat16())
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    with pytest.raises(TrainingError, match="MF has no parameter to train"):
        check_trainable(model)
    model.bias.requires_grad_(True)
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


def test_a_batch_norm_of_one_sample_is_refused():
    split = tiny_clicks()
    with pytest.raises(TrainingError, match="two samples a step") as error:
        fit(build("deepfm", split), split, FitOptions(epochs=1, batch=1))
    assert error.value.samples == 1
    fit(build("deepfm", split, norm=False, hidden=(4,), dim=2), split, FitOptions(epochs=1, batch=1))


@pytest.mark.parametrize("name", ["mf", "deepfm", "fism", "lightgcn", "mixture"])
def test_a_model_in_double_precision_learns_what_it_learns_in_single(name):
    split, fits = tiny_clicks() if name == "deepfm" else tiny_split(), []
    for dtype in (torch.float32, torch.float64):
        model = build(name, split, dim=8).to(dtype)
        fits.append(fit(model, split, FitOptions(epochs=2, batch=32, k=3)))
        assert {parameter.dtype for parameter in model.parameters()} == {dtype}
    assert [e.loss for e in fits[1].history] == pytest.approx([e.loss for e in fits[0].history], rel=1e-2)
    assert [e.value for e in fits[1].history] == pytest.approx([e.value for e in fits[0].history], abs=0.05)


@pytest.mark.parametrize("name", ["fism", "lightgcn"])
def test_a_model_that_learns_through_the_graph_learns_in_bfloat16(name):
    split = tiny_split()
    model = build(name, split, dim=8).bfloat16()
    result = fit(model, split, FitOptions(epochs=6, batch=16, lr=0.02, k=3, patience=6))
    assert result.history[-1].loss < result.history[0].loss
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
