"""Norms go into the layer before them."""

import copy

import pytest
import torch
from torch import nn

from recprune.models.deepfm import DeepFM
from recprune.rewrites.fold_norm import FoldedNorm, fold_norm, foldable, unfold_norm


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
    return sum(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())


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
    assert foldable(model) == []  # a bias would join the model


@pytest.mark.parametrize(
    ("layer", "norm", "shape"),
    [
        (nn.Conv1d(3, 4, 3, groups=1), nn.BatchNorm1d(4), (5, 3, 9)),
        (nn.Conv2d(4, 6, 3, groups=2), nn.BatchNorm2d(6), (5, 4, 7, 8)),
        (nn.Conv3d(2, 3, 2, bias=False), nn.BatchNorm3d(3), (2, 2, 4, 4, 4)),
    ],
)
def test_norms_behind_convolutions_are_folded(layer, norm, shape):
    model, x = trained(nn.Sequential(layer, norm, nn.ReLU())), torch.randn(shape)
    assert norms(fold_norm(model)) == 0
    torch.testing.assert_close(fold_norm(model)(x), model(x), rtol=1e-4, atol=1e-4)


def test_a_layer_that_stands_twice_keeps_its_norm():
    layer = nn.Linear(4, 4)
    model = trained(nn.Sequential(layer, nn.BatchNorm1d(4), layer))
    x = torch.randn(9, 4)
    assert norms(fold_norm(model)) == 1
    assert torch.equal(fold_norm(model)(x), model(x))


def test_a_layer_whose_weight_stands_elsewhere_keeps_its_norm():
    model = nn.ModuleDict({"a": nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)), "b": nn.Linear(4, 4)})
    model["b"].weight = model["a"][0].weight
    assert norms(fold_norm(model)) == 1
    assert foldable(model) == []


def test_a_norm_that_goes_by_its_batch_stays():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4, track_running_stats=False))
    assert norms(fold_norm(model)) == 1


def test_a_norm_behind_something_else_stays():
    model = trained(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.BatchNorm1d(4)))
    assert norms(fold_norm(model)) == 1


def test_norms_that_are_named_are_folded_alone():
    model = trained(DeepFM(["a", "b"], [7, 5], dim=4, hidden=(8, 6)))
    assert foldable(model) == ["tower.1", "tower.5"]
    one = fold_norm(model, ["tower.5"])
    assert isinstance(one.tower[5], FoldedNorm)
    assert isinstance(one.tower[1], nn.BatchNorm1d)
    with pytest.raises(KeyError):
        fold_norm(model, ["tower.2"])


def test_a_norm_over_another_axis_than_the_units_is_seen_by_its_inputs():
    """Behind a Linear of (rows, length, units) a BatchNorm1d is over the length, which is as long here."""
    model = trained(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)))
    assert foldable(model, (torch.randn(5, 3),)) == ["1"]
    assert foldable(model, (torch.randn(5, 4, 3),)) == []
    model.train()
    model[1].eval()
    foldable(model, (torch.randn(5, 3),))
    assert model.training
    assert not model[1].training


def test_norms_that_stand_again_answer_alike_and_see_what_comes_to_them():
    model = trained(DeepFM(["a", "b"], [7, 5], dim=4, hidden=(8, 6)))
    folded = fold_norm(model)
    batches = [(torch.randint(7, (300,)), torch.randint(5, (300,))) for _ in range(3)]
    again = unfold_norm(folded, batches)
    assert norms(again) == 2
    torch.testing.assert_close(again(*batches[0]), model(*batches[0]), rtol=1e-5, atol=1e-3)
    again.train()
    again.tower[3].p = again.tower[7].p = 0.0
    near = again(*(torch.cat(column) for column in zip(*batches, strict=True)))
    torch.testing.assert_close(
        near, model(*(torch.cat(column) for column in zip(*batches, strict=True))), rtol=1e-2, atol=1e-1
    )
    assert unfold_norm(model, []) is model
    with pytest.raises(ValueError, match="no batch"):
        unfold_norm(folded, [])


class Elsewhere(nn.Module):
    """The layer of the first norm is read elsewhere too, in one of several ways; that of the second one never is."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.one = how, nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(inplace=True))
        self.two = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5))
        self.head = nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        first, norm, last = self.one
        between = first(x)
        hidden = last(norm(between * 2 if self.how == "changed" else between))
        more = {
            "output": lambda: between,
            "weight": lambda: nn.functional.linear(x, first.weight),
            "mean": lambda: hidden + norm.running_mean,
        }
        return {"score": self.two(hidden), "beside": self.head(more.get(self.how, lambda: hidden)())}


@pytest.mark.parametrize("how", ["output", "weight", "mean", "changed", "nowhere"])
def test_a_layer_that_is_read_elsewhere_keeps_its_norm(how):
    model, x = trained(Elsewhere(how)), torch.randn(9, 3)
    wanted = ["one.1", "two.1"] if how == "nowhere" else ["two.1"]
    assert foldable(model, (x,)) == wanted
    folded = fold_norm(model, example=(x,))
    assert norms(folded) == 2 - len(wanted)
    for name, answer in model(x).items():
        torch.testing.assert_close(folded(x)[name], answer, rtol=1e-4, atol=1e-4)
    if how != "nowhere":
        with pytest.raises(KeyError):
            fold_norm(model, ["one.1"], (x,))


def test_a_norm_of_another_number_of_units_is_none_of_the_layer():
    model, x = trained(nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(3), nn.ReLU())), torch.randn(4, 3, 6)
    assert torch.equal(fold_norm(model)(x), model(x))
    same = trained(nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3)))
    assert torch.equal(fold_norm(same, example=(x,))(x), same(x))


def test_a_layer_that_is_called_twice_is_folded_where_each_call_meets_its_norm():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.net(self.net(x))

    model, x = trained(Twice()), torch.randn(9, 3)
    assert norms(fold_norm(model, example=(x,))) == 0
    torch.testing.assert_close(fold_norm(model, example=(x,))(x), model(x), rtol=1e-4, atol=1e-4)
