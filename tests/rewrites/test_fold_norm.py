"""Norms go into the layer before them."""

import copy

import torch
from torch import nn

from recprune.models.deepfm import DeepFM
from recprune.rewrites.fold_norm import fold_norm


def trained(model: nn.Module) -> nn.Module:
    """With running means as training leaves them."""
    torch.manual_seed(0)
    for name, tensor in model.state_dict().items():
        if "running" in name:
            tensor.uniform_(0.5, 2)
        elif tensor.is_floating_point():
            tensor.normal_()
    return model.eval()


def norms(model: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm1d) for module in model.modules())


def test_a_folded_model_answers_as_before_and_has_no_norms():
    model = trained(DeepFM(["a", "b"], [7, 5], dim=4, hidden=(8, 6)))
    kept = copy.deepcopy(model.state_dict())
    folded = fold_norm(model)
    inputs = torch.randint(5, (40,)), torch.randint(5, (40,))
    assert (norms(model), norms(folded)) == (2, 0)
    torch.testing.assert_close(folded(*inputs), model(*inputs), rtol=1e-5, atol=1e-4)
    assert all(torch.equal(kept[name], tensor) for name, tensor in model.state_dict().items())


def test_layers_without_bias_and_norms_without_weights_are_folded():
    model = trained(nn.Sequential(nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4, affine=False), nn.ReLU()))
    x = torch.randn(9, 3)
    torch.testing.assert_close(fold_norm(model)(x), model(x), rtol=1e-5, atol=1e-5)
    assert norms(fold_norm(model)) == 0


def test_a_layer_that_stands_twice_keeps_its_norm():
    layer = nn.Linear(4, 4)
    model = trained(nn.Sequential(layer, nn.BatchNorm1d(4), layer))
    x = torch.randn(9, 4)
    assert norms(fold_norm(model)) == 1
    assert torch.equal(fold_norm(model)(x), model(x))


def test_a_norm_that_goes_by_its_batch_stays():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4, track_running_stats=False))
    assert norms(fold_norm(model)) == 1


def test_a_norm_behind_something_else_stays():
    model = trained(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.BatchNorm1d(4)))
    assert norms(fold_norm(model)) == 1
