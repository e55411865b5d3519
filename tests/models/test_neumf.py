import numpy as np
import torch

import recprune
from recprune.evaluation.inputs import example
from recprune.models.neumf import NeuMF
from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.surgery import apply
from recprune.testing import tiny_clicks
from recprune.tracing.trace import survey


def test_the_logit_weighs_the_product_and_what_the_tower_gives():
    torch.manual_seed(0)
    model = NeuMF(4, 6, dim=3, deep=2, hidden=(5, 4)).eval()
    user, item = torch.tensor([1, 3]), torch.tensor([5, 0])
    product = model.user.weight[user] * model.item.weight[item]
    x = torch.cat([model.user_deep.weight[user], model.item_deep.weight[item]], 1)
    for layer in (model.tower[0], model.tower[2]):
        x = torch.relu(x @ layer.weight.T + layer.bias)
    expected = torch.cat([product, x], 1) @ model.output.weight[0] + model.output.bias
    assert torch.allclose(model(user, item), expected, atol=1e-6)


def test_every_site_can_leave_alone_and_all_together():
    split = tiny_clicks()
    model = recprune.build("neumf", split, dim=4, deep=6, hidden=(5, 3)).eval()
    inputs = example(model, split, 7)
    found = survey(model, inputs)
    names = {
        "user.id",
        "item.id",
        "user+item.dim",
        "user_deep.dim",
        "item_deep.dim",
        "tower.0.neuron",
        "tower.2.neuron",
    }
    assert names <= {site.name for site in found.sites}
    halves = {site.name: np.arange((site.size + 1) // 2) for site in found.sites}
    for kept in [*({name: units} for name, units in halves.items()), halves]:
        small = apply(model, Plan(found, kept, Budget(0.0)), inputs)
        assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in model.parameters())
