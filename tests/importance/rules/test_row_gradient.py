import copy

import pytest
import torch
from torch import nn

from recprune.errors import SurveyError
from recprune.importance.probe import Probe
from recprune.importance.rules.row_gradient import RowGradient
from recprune.testing.cases import tiny_factors, tiny_mlp
from recprune.tracing.site import Cut, Kind, Site, Survey


def slow(case, counts: torch.Tensor) -> torch.Tensor:
    """Row by row: the norm that a row sends to its id, averaged over the rows that hold it, times its frequency."""
    model = copy.deepcopy(case.model).eval()
    norms, held = torch.zeros(7, dtype=torch.float64), torch.zeros(7, dtype=torch.float64)
    for (user,), target in case.batches:
        for row in range(len(user)):
            model.zero_grad()
            case.loss(model(user[row : row + 1]), target[row : row + 1]).backward()
            norms[user[row]] += model.user.weight.grad[user[row]].double().norm()
            held[user[row]] += 1
    each = norms / held.clamp(min=1)
    each[held == 0] = each[1:][held[1:] > 0].mean()
    return (counts / counts[1:].sum() * each)[1:]


def test_an_id_is_worth_its_frequency_times_the_norm_that_its_rows_send() -> None:
    case = tiny_factors()
    counts = torch.tensor([3.0, 10, 2, 7, 1, 5, 40]).double()
    probe = Probe(case.model, case.survey, case.batches, case.loss, {"user": counts})
    assert torch.allclose(RowGradient()(case.survey.site("user.id"), probe), slow(case, counts), rtol=1e-4)


def test_an_id_that_the_probe_never_saw_has_the_mean_norm_and_its_own_frequency() -> None:
    case = tiny_factors()
    users = torch.tensor([1, 2, 1, 2])
    batch = [((users,), torch.randn(4, 5, generator=torch.Generator().manual_seed(0)))]
    counts = torch.tensor([0, 4, 4, 1, 2, 0, 0])
    worth = RowGradient()(
        case.survey.site("user.id"), Probe(case.model, case.survey, batch, case.loss, {"user": counts})
    )
    assert worth[3].item() == pytest.approx(2 * worth[2].item())
    assert worth[2].item() == pytest.approx(float(worth[:2].mean()) / 4)
    assert worth[4:].abs().max() == 0


def test_without_counts_the_rows_of_the_probe_are_counted() -> None:
    case = tiny_factors()
    held = torch.bincount(torch.cat([user for (user,), _ in case.batches]), minlength=7).double()
    worth = RowGradient()(case.survey.site("user.id"), Probe(case.model, case.survey, case.batches, case.loss))
    assert torch.allclose(worth, slow(case, held), rtol=1e-4)


def test_rows_that_cannot_be_parted_send_their_gradient_together() -> None:
    torch.manual_seed(0)
    model = nn.EmbeddingBag(5, 3, mode="sum")
    site = Site("input0.id", Kind.ID, 4, (Cut("weight", 0, 1),), "input0", 0)
    inputs, target = (torch.tensor([1, 2, 2, 3, 4, 1]), torch.tensor([0, 1, 4])), torch.randn(3, 3)
    loss = nn.functional.mse_loss
    worth = RowGradient()(site, Probe(model, Survey((site,), {}, {}, {}, ""), [(inputs, target)], loss))
    (gradient,) = torch.autograd.grad(loss(model(*inputs), target), [model.weight])
    assert torch.allclose(worth, 3 * gradient[1:].double().norm(dim=1) / 6)


def test_units_that_are_no_ids_are_refused_with_the_site() -> None:
    case = tiny_mlp()
    with pytest.raises(SurveyError) as error:
        RowGradient()(case.survey.sites[0], Probe(case.model, case.survey, case.batches, case.loss))
    assert (error.value.site, error.value.kind) == ("0.neuron", "neuron")
