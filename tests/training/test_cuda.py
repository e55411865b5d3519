"""Training and pruning on a graphics card; skipped where there is none."""

import copy
from dataclasses import replace

import pytest
import torch

from recprune.errors import TrainingError
from recprune.models.build import build
from recprune.planning.budget import Budget
from recprune.recipe.prune import prune
from recprune.testing.data import tiny_clicks, tiny_split
from recprune.training.finetune import finetune
from recprune.training.fit import FitOptions, fit
from recprune.training.rounded import rounded
from recprune.training.soft_threshold import soft_threshold

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no graphics card here")

OPTIONS = FitOptions(epochs=4, batch=16, lr=0.01, patience=4, negatives=4, k=3)
MODELS = {
    "mf": {"dim": 8},
    "fism": {"dim": 8},
    "lightgcn": {"dim": 8},
    "ultragcn": {"dim": 8},
    "caser": {"length": 3, "dim": 8, "filters": 4, "heights": (1, 2), "dropout": 0.0},
    "nextitnet": {"length": 4, "dim": 8, "dropout": 0.0},
    "gru4rec": {"length": 4, "dim": 8, "hidden": 8, "dropout": 0.0},
    "sasrec": {"length": 4, "dim": 8, "dropout": 0.0},
    "deepfm": {"dim": 4, "hidden": (8,), "dropout": 0.0},
}


def case(name):
    data = tiny_clicks() if name == "deepfm" else tiny_split()
    return build(name, data, **MODELS[name]), data


@pytest.mark.parametrize("name", MODELS)
def test_a_card_learns_what_the_processor_learns(name):
    model, data = case(name)
    other = copy.deepcopy(model).cuda()
    here, there = fit(model, data, OPTIONS), fit(other, data, OPTIONS)
    assert next(other.parameters()).is_cuda
    assert [e.loss for e in there.history] == pytest.approx([e.loss for e in here.history], rel=0.02)


@pytest.mark.parametrize("loss", ["softmax", "sampled_softmax", "bpr"])
def test_every_loss_of_lists_works_on_a_card(loss):
    model, data = case("mf")
    teacher = copy.deepcopy(model).cuda()
    fit(teacher, data, replace(OPTIONS, loss=loss))
    done = finetune(copy.deepcopy(teacher), data, replace(OPTIONS, loss=loss), teacher=teacher)
    assert len(done.history) == OPTIONS.epochs
    with pytest.raises(TrainingError, match=r"the teacher is on cuda:0"):
        fit(model, data, replace(OPTIONS, loss=loss), teacher=teacher)


def test_a_training_goes_on_from_its_checkpoint_on_a_card(tmp_path):
    data, options = tiny_split(), replace(OPTIONS, checkpoint=tmp_path / "begun")

    def new():
        return build("sasrec", data, length=4, dim=8, dropout=0.3).cuda()

    def stop(epoch):
        if epoch.number == 2:
            raise KeyboardInterrupt

    whole, again = new(), new()
    fit(whole, data, OPTIONS)
    with pytest.raises(KeyboardInterrupt):
        fit(new(), data, options, progress=stop)
    assert [epoch.number for epoch in fit(again, data, options).history] == [1, 2, 3, 4]
    for one, other in zip(whole.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.allclose(one, other, atol=1e-4)


def test_weights_are_rounded_and_thresholds_learned_on_a_card():
    model, data = case("mf")
    model.cuda()
    with rounded(model, {"item.weight": "int4_rows"}, after=2) as steps:
        fit(model, data, OPTIONS, before_epoch=steps)
    assert model.item.weight.is_cuda
    sparse = soft_threshold(model, data, ["user.weight", "item.weight"], 0.5, OPTIONS)
    left = sum(int((p != 0).sum()) for p in (sparse.model.user.weight, sparse.model.item.weight))
    total = sparse.model.user.weight.numel() + sparse.model.item.weight.numel()
    assert left <= 0.5 * total + 1


@pytest.mark.parametrize("name", ["mf", "caser", "deepfm"])
def test_a_model_on_a_card_is_pruned_there(name):
    model, data = case(name)
    model.cuda()
    fit(model, data, OPTIONS)
    made = prune(model, data, budget=Budget(0.4), options=OPTIONS)
    assert next(made.model.parameters()).is_cuda
    assert sum(p.numel() for p in made.model.parameters()) < sum(p.numel() for p in model.parameters())
