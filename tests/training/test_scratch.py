import pytest
import torch

from recprune.errors import TrainingError
from recprune.models.caser import Caser
from recprune.models.deepfm import DeepFM
from recprune.training.scratch import fresh_copy


def test_a_fresh_copy_has_the_same_shapes_and_other_weights():
    model = Caser(9, length=3, dim=4, filters=2, heights=(1, 2))
    fresh = fresh_copy(model, seed=3)
    assert {k: v.shape for k, v in fresh.state_dict().items()} == {k: v.shape for k, v in model.state_dict().items()}
    assert not torch.equal(fresh.output.weight, model.output.weight)
    assert torch.equal(fresh.output.weight, fresh_copy(model, seed=3).output.weight)


def test_a_fresh_copy_forgets_running_means_and_keeps_the_offsets():
    model = DeepFM(("user", "item"), (4, 5), dim=3, hidden=(6,))
    model(torch.tensor([1, 2]), torch.tensor([3, 4]))
    fresh = fresh_copy(model)
    assert not fresh.tower[1].running_mean.any()
    assert torch.equal(fresh.offsets, model.offsets)


def test_a_fresh_copy_of_a_module_from_elsewhere_resets_its_layers():
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Sequential(torch.nn.Linear(4, 1)))
    fresh = fresh_copy(module)
    assert not torch.equal(fresh[1][0].weight, module[1][0].weight)


def test_a_module_that_cannot_draw_its_weights_anew_is_named():
    class Bare(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(2))

    with pytest.raises(TrainingError) as error:
        fresh_copy(torch.nn.Sequential(torch.nn.Linear(1, 1), Bare()))
    assert error.value.module == "1"
