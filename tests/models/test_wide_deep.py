import torch

from recprune.models.wide_deep import WideDeep


def test_the_logit_is_the_wide_part_and_the_tower():
    torch.manual_seed(0)
    model = WideDeep(("user", "item"), (4, 6), dim=3, hidden=(5,)).eval()
    torch.nn.init.normal_(model.linear.weight)
    user, item = torch.tensor([1, 3]), torch.tensor([5, 0])
    table, weight = model.table.weight, model.linear.weight[:, 0]
    deep = model.tower(torch.cat([table[user], table[4 + item]], 1)).squeeze(1)
    assert torch.allclose(model(user, item), model.bias + weight[user] + weight[4 + item] + deep, atol=1e-6)
