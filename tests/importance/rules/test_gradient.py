import torch
from torch import nn

from recprune.importance.probe import Probe
from recprune.importance.rules.gradient import Gradient
from recprune.testing.cases import tiny_mlp
from recprune.tracing.site import Cut, Kind, Site, Survey


def test_a_unit_is_worth_the_absolute_mean_gradients_of_all_that_leaves() -> None:
    case = tiny_mlp()
    probe = Probe(case.model, case.survey, case.batches, case.loss)
    model = case.model.eval()
    sum(case.loss(model(*x), y) / len(case.batches) for x, y in case.batches).backward()
    expected = (
        sum(
            t.grad.abs().reshape(6, -1).sum(1) for t in (model[0].weight, model[0].bias, model[1].weight, model[1].bias)
        )
        + model[3].weight.grad.abs()[0]
    )
    assert torch.allclose(Gradient()(case.survey.sites[0], probe), expected.double(), rtol=1e-4)


def test_at_a_minimum_the_gradient_says_nothing() -> None:
    model = nn.Linear(2, 1, bias=False)
    x = torch.eye(2)
    survey = Survey((Site("w", Kind.DIM, 2, (Cut("weight", 1),)),), {}, {}, {}, "")
    probe = Probe(model, survey, [((x,), model(x).detach())], nn.functional.mse_loss)
    assert Gradient()(survey.sites[0], probe).max() < 1e-12
