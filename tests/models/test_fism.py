import torch
from torch import nn

import recprune
from recprune.models.fism import Fism
from recprune.packing import pack
from recprune.testing import tiny_split
from recprune.training.fit import FitOptions, fit


def model(items=9, dim=4):
    torch.manual_seed(0)
    return Fism(items, dim)


def test_a_score_is_the_cosine_of_the_sum_and_the_item():
    made = model()
    history = torch.zeros(2, 9)
    history[0, [2, 5]] = 1
    history[1, 3] = 1
    weight = made.item.weight.detach()
    sums = torch.stack([weight[2] + weight[5], weight[3]])
    wanted = nn.functional.cosine_similarity(sums[:, None], weight[None], dim=2) / 0.06
    assert torch.allclose(made(history), wanted, atol=1e-5)


def test_factors_of_training_score_as_forward_does():
    made = model()
    history = torch.zeros(2, 9)
    history[0, [2, 5]] = 1
    history[1, 3] = 1
    query = made.of_items(torch.tensor([2, 5, 3]), torch.tensor([0, 0, 1]), 2)
    assert torch.allclose(query @ made.catalogue().T / made.temperature, made(history), atol=1e-5)
    assert torch.allclose(query.norm(dim=1), torch.ones(2))


def test_a_packed_table_scores_as_its_decoded_rows():
    made = model(items=40, dim=8)
    small = pack(made, {"item.weight": "int4_rows"})
    history = (torch.rand(3, 40) < 0.2).float()
    again = Fism(40, 8)
    with torch.no_grad():
        again.item.weight.copy_(small.item.weight)
        for _ in range(2):
            assert torch.allclose(small(history), again(history), atol=1e-5)


def test_it_learns_and_dims_can_leave_exactly():
    split = tiny_split(users=60)
    made = recprune.build("fism", split, dim=8, temperature=0.2)
    fit(made, split, FitOptions(epochs=8, batch=16, lr=0.03, patience=8, k=3))
    other = recprune.build("fism", split, dim=8, temperature=0.2, seed=5)
    first, chance = (recprune.evaluate(m, split, "test", k=3).mean["recall@3"] for m in (made, other))
    assert first > chance
    small = recprune.prune(made, split, factor=0.5, finetuned=False)
    assert small.model.item.weight.shape[1] == 4
