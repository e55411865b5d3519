"""MF, DeepFM and Caser: what their forward computes."""

import pytest
import torch

from recprune.errors import DataError
from recprune.models.caser import Caser
from recprune.models.dcn import DCN
from recprune.models.deepfm import DeepFM
from recprune.models.mf import MF

MODELS = {
    "mf": (lambda: MF(5, 9, dim=4), lambda n: (torch.arange(n) % 5,)),
    "deepfm": (
        lambda: DeepFM(("user", "item", "city"), (5, 9, 3), dim=4, hidden=(6, 5)),
        lambda n: (torch.arange(n) % 5, torch.arange(n) % 9, torch.arange(n) % 3),
    ),
    "dcn": (
        lambda: DCN(("user", "item", "city"), (5, 9, 3), dim=4, hidden=(6, 5)),
        lambda n: (torch.arange(n) % 5, torch.arange(n) % 9, torch.arange(n) % 3),
    ),
    "caser": (
        lambda: Caser(9, length=4, dim=4, filters=3, heights=(1, 2), vertical=2),
        lambda n: ((torch.arange(n * 4) % 9).view(n, 4),),
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_config_builds_the_same_skeleton(name):
    make, _ = MODELS[name]
    model = make()
    twin = type(model)(**model.config)
    assert {k: v.shape for k, v in model.state_dict().items()} == {k: v.shape for k, v in twin.state_dict().items()}


@pytest.mark.parametrize("name", MODELS)
def test_a_row_scores_alone_as_it_does_in_a_batch(name):
    make, inputs = MODELS[name]
    model = make().eval()
    whole = model(*inputs(7))
    alone = torch.cat([model(*(column[i : i + 1] for column in inputs(7))) for i in range(7)])
    assert torch.allclose(whole, alone, atol=1e-6)


@pytest.mark.parametrize("name", ["mf", "caser"])
def test_some_items_score_as_they_do_among_all(name):
    make, inputs = MODELS[name]
    model = make().eval()
    scores, query = model(*inputs(6)), model.query(*inputs(6))
    shared, own = torch.tensor([8, 1, 3]), torch.arange(12).view(6, 2) % 9
    assert torch.allclose(model.match(query, shared), scores[:, shared], atol=1e-6)
    assert torch.allclose(model.match(query, own), scores.gather(1, own), atol=1e-6)


def test_mf_scores_pairs_as_it_scores_all():
    model = MF(5, 9, dim=4)
    user, item = torch.tensor([1, 4]), torch.tensor([2, 7])
    assert torch.allclose(model.pairs(user, item), model(user)[[0, 1], item])


def test_deepfm_is_the_sum_of_its_parts():
    model = MODELS["deepfm"][0]().eval()
    torch.nn.init.normal_(model.linear.weight)
    columns = MODELS["deepfm"][1](1)
    rows = [0, 5, 14]
    e = model.table.weight[rows]
    pairs = sum(e[f] @ e[g] for f in range(3) for g in range(f))
    expected = model.bias + model.linear.weight[rows].sum() + pairs + model.tower(e.view(1, -1)).squeeze()
    assert torch.allclose(model(*columns)[0], expected, atol=1e-6)


def test_deepfm_refuses_fields_without_sizes():
    with pytest.raises(DataError):
        DeepFM(("user", "item"), (5,))


def test_caser_keeps_the_largest_answer_of_each_filter():
    model = MODELS["caser"][0]().eval()
    sequence = torch.tensor([[0, 3, 1, 2]])
    image = model.item(sequence)[0]
    kernel, bias = model.horizontal[1].weight, model.horizontal[1].bias
    answers = torch.stack([(kernel[:, 0] * image[i : i + 2]).sum((1, 2)) + bias for i in range(3)])
    expected = answers.amax(0).clamp(min=0)
    largest = torch.relu(model.horizontal[1](model.item(sequence).unsqueeze(1))).amax((2, 3))[0]
    assert torch.allclose(largest, expected, atol=1e-6)


def test_caser_learns_from_what_it_answers():
    torch.manual_seed(0)
    model = Caser(9, length=4, dim=5, filters=3, heights=(1, 2, 4), dropout=0.0)
    sequence, found = torch.randint(9, (6, 4)), []
    for part in (model.eval(), model.train()):
        out = part(sequence)
        found.append([out, *torch.autograd.grad(out.square().sum(), list(model.parameters()))])
        model.zero_grad()
    for answered, learned in zip(*found, strict=True):
        torch.testing.assert_close(learned, answered, rtol=1e-4, atol=1e-5)


def test_caser_learns_nothing_about_the_padding():
    model = MODELS["caser"][0]()
    model(torch.tensor([[0, 0, 1, 2]])).sum().backward()
    assert not model.item.weight[0].any()
    assert not model.item.weight.grad[0].any()


@pytest.mark.parametrize("heights", [(), (0,), (5,)])
def test_caser_refuses_heights_that_do_not_fit(heights):
    with pytest.raises(DataError):
        Caser(9, length=4, heights=heights)


@pytest.mark.parametrize("rank", [None, 2])
def test_dcn_is_its_equations(rank):
    model = DCN(("user", "item"), (5, 9), dim=3, cross=2, rank=rank, hidden=(4,)).eval()
    columns = torch.tensor([4, 1]), torch.tensor([2, 8])
    x0 = torch.cat([model.table.weight[columns[0]], model.table.weight[5 + columns[1]]], 1)
    x = x0
    for layer in model.cross:
        weight = layer.weight if rank is None else layer[1].weight @ layer[0].weight
        bias = layer.bias if rank is None else layer[1].bias
        x = x0 * (x @ weight.T + bias) + x
    expected = model.output(torch.cat([x, model.tower(x0)], 1)).squeeze(1)
    assert torch.allclose(model(*columns), expected, atol=1e-6)


def test_dcn_needs_a_layer_of_each():
    with pytest.raises(DataError, match="cross network"):
        DCN(("user",), (5,), cross=0)
