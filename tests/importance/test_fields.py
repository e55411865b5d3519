import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from recprune.errors import SurveyError
from recprune.importance.fields import column_names, rank_fields
from recprune.testing.cases import tiny_fields, tiny_mlp


class Sum(nn.Module):
    """A weighed sum of the columns."""

    def __init__(self, *weights: float) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights))

    def forward(self, *columns: torch.Tensor) -> torch.Tensor:
        return torch.stack(columns, 1) @ self.weights


def batches_of(columns: list[torch.Tensor], target: torch.Tensor, size: int = 512):
    return [
        (tuple(x[begin : begin + size] for x in columns), target[begin : begin + size])
        for begin in range(0, len(target), size)
    ]


def test_the_rise_is_that_of_a_slow_loop_over_rows() -> None:
    case = tiny_fields()
    found = rank_fields(case.model, case.batches, case.loss, repeats=3, seed=1)
    inputs = [torch.cat([x[n] for x, _ in case.batches]) for n in (0, 1)]
    target = torch.cat([y for _, y in case.batches])
    model, generator, rises = copy.deepcopy(case.model).eval(), torch.Generator().manual_seed(1), torch.zeros(2, 16)
    for _ in range(3):
        order = torch.randperm(16, generator=generator).tolist()
        for place in range(16):
            row, donor = order[place], order[(place + 1) % 16]
            for column in (0, 1):
                mine = [x[row : row + 1] for x in inputs]
                before = case.loss(model(*mine), target[row : row + 1])
                mine[column] = inputs[column][donor : donor + 1]
                rises[column, row] += (case.loss(model(*mine), target[row : row + 1]) - before).detach() / 3
    assert found.names == ("city", "hour")
    assert np.allclose(found.mean, rises.mean(1).numpy(), rtol=1e-4, atol=1e-6)
    assert found.loss == pytest.approx(float(case.loss(model(*inputs), target).detach()), rel=1e-5)


def test_the_rise_of_a_squared_error_is_twice_the_variance_that_the_column_explains() -> None:
    torch.manual_seed(0)
    x, z = torch.randn(20_000), torch.randn(20_000)
    found = rank_fields(Sum(0.7, 0.0), batches_of([x, z], 0.7 * x + 0.1 * torch.randn(20_000)), nn.functional.mse_loss)
    assert found.of("input0")[0] == pytest.approx(2 * 0.49, rel=0.05)
    assert found.of("input1") == (0.0, 0.0)


def test_a_column_that_says_nothing_has_a_rise_of_0_on_rows_that_the_model_did_not_learn_from() -> None:
    """A model that has learned a random column by heart: the interval covers 0 about as often as it says."""
    inside, means = 0, []
    for seed in range(60):
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(400, generator=generator)
        noise = torch.randn(400, generator=generator)
        label = torch.bernoulli(torch.sigmoid(x), generator=generator)
        found = rank_fields(Sum(1.0, 1.5), batches_of([x, noise], label), bce, seed=seed)
        mean, error = found.of("input1")
        inside += abs(mean) < 1.96 * error
        means.append(mean / error)
    assert inside >= 52
    assert abs(np.mean(means)) < 3 / 60**0.5


def test_the_standard_error_is_the_spread_over_other_rows_of_the_same_sort() -> None:
    found = []
    for seed in range(40):
        generator = torch.Generator().manual_seed(seed)
        x, z = torch.randn(2, 300, generator=generator).unbind()
        label = torch.bernoulli(torch.sigmoid(x), generator=generator)
        found.append(rank_fields(Sum(1.0, 0.5), batches_of([x, z], label), bce, seed=seed))
    for place in (0, 1):
        spread = np.std([one.mean[place] for one in found], ddof=1)
        said = np.mean([one.standard_error[place] for one in found])
        assert 0.7 < said / spread < 1.5


def test_copies_look_idle_alone_and_not_together() -> None:
    torch.manual_seed(0)
    x = torch.randn(2000)
    label = torch.bernoulli(torch.sigmoid(2 * x))
    batches = batches_of([x, x], label)
    alone = rank_fields(Sum(1.0, 1.0), batches, bce)
    together = rank_fields(Sum(1.0, 1.0), batches, bce, {"both": ("input0", "input1")})
    assert together.mean[0] > 2 * alone.mean.max()


def test_the_interval_widens_with_the_level_and_lies_around_the_mean() -> None:
    case = tiny_fields()
    found = rank_fields(case.model, case.batches, case.loss)
    low, high = found.interval(0.95)
    assert np.allclose((low + high) / 2, found.mean)
    assert np.all(found.interval(0.99)[1] > high)


def test_the_model_stays_as_it_was_and_the_same_seed_says_the_same() -> None:
    case = tiny_fields()
    before = copy.deepcopy(case.model.state_dict())
    one, two, other = (rank_fields(case.model, case.batches, case.loss, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(one.mean, two.mean)
    assert not np.array_equal(one.mean, other.mean)
    assert case.model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in case.model.state_dict().items())


def test_what_cannot_be_shuffled_is_refused() -> None:
    case = tiny_fields()
    with pytest.raises(SurveyError) as error:
        rank_fields(case.model, case.batches, case.loss, {"x": ("town",)})
    assert error.value.column == "town"
    (inputs, target) = case.batches[0]
    with pytest.raises(SurveyError, match="2 rows or more"):
        rank_fields(case.model, [(tuple(x[:1] for x in inputs), target[:1])], case.loss)
    with pytest.raises(SurveyError) as error:
        rank_fields(case.model, case.batches, case.loss, repeats=0)
    assert error.value.repeats == 0
    with pytest.raises(SurveyError, match="was not ranked"):
        rank_fields(case.model, case.batches, case.loss).of("town")


def test_inputs_without_names_are_numbered() -> None:
    assert column_names(tiny_mlp().model, 2) == ("input0", "input1")
    assert column_names(tiny_fields().model, 2) == ("city", "hour")
