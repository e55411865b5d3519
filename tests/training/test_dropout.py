import pytest
import torch
from torch import nn

from recprune.errors import TrainingError
from recprune.training.dropout import quick_dropout, rescale_dropout_


def test_a_quarter_of_the_network_is_left_half_of_the_dropout():
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Sequential(nn.Dropout2d(0.2), nn.ReLU()))
    rescale_dropout_(model, 0.25)
    assert [m.p for m in model.modules() if hasattr(m, "p")] == [0.25, 0.1]
    zeros = (model[1](torch.ones(10_000)) == 0).float().mean()
    assert abs(zeros - 0.25) < 0.03


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_outside_its_range_is_refused(share):
    with pytest.raises(TrainingError):
        rescale_dropout_(nn.Dropout(0.5), share)


@pytest.mark.parametrize(("p", "shape"), [(0.3, (200, 501)), (0.01, (99_999,)), (0.9, (7, 50, 300))])
def test_quick_dropout_drops_as_many_and_keeps_the_mean(p, shape):
    module = nn.Dropout(p)
    torch.manual_seed(0)
    with quick_dropout(module):
        out = module(torch.ones(shape))
    error = (p * (1 - p) / out.numel()) ** 0.5
    assert abs((out == 0).float().mean() - p) < 5 * error
    assert abs(out.mean() - 1) < 5 * error / (1 - p)
    assert len(out.unique()) == 2


def test_what_was_dropped_has_no_gradient():
    module, numbers = nn.Dropout(0.5), torch.randn(1000, requires_grad=True)
    with quick_dropout(module):
        out = module(numbers)
    out.sum().backward()
    torch.testing.assert_close(numbers.grad, out.detach() / numbers.detach())


def test_quick_dropout_is_the_same_by_the_same_seed_and_other_every_time():
    module, numbers = nn.Sequential(nn.Dropout(0.4)), torch.ones(64, 3)
    with quick_dropout(module):
        first, second = [torch.manual_seed(3) and [module(numbers) for _ in range(2)] for _ in range(2)]
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(*first)


def test_quick_dropout_draws_nothing_at_rest_nor_at_rates_of_0_and_1():
    numbers = torch.ones(5, dtype=torch.float64)
    for p, wanted in ((0.0, 1), (1.0, 0)):
        module = nn.Dropout(p)
        with quick_dropout(module):
            assert torch.equal(module(numbers), torch.full_like(numbers, wanted))
    module = nn.Dropout(0.5).eval()
    with quick_dropout(module):
        assert module(numbers) is numbers


def test_afterwards_dropout_is_as_it_was_and_dropout_of_other_people_was_never_touched():
    class Mine(nn.Dropout):
        def forward(self, numbers):
            return numbers + 1

    model = nn.Sequential(nn.Dropout(0.5), Mine(0.5), nn.Dropout(0.5, inplace=True))

    def ends_early():
        with quick_dropout(model):
            assert torch.equal(model[1](torch.zeros(2)), torch.ones(2))
            assert [i for i, module in enumerate(model) if "forward" in vars(module)] == [0]
            raise RuntimeError("here")

    with pytest.raises(RuntimeError, match="here"):
        ends_early()
    assert not any("forward" in vars(module) for module in model)
