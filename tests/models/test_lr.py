import torch

from recprune.models.lr import LR


def test_the_logit_is_the_bias_and_one_weight_a_field():
    model = LR(("user", "item"), (4, 6))
    torch.nn.init.normal_(model.linear.weight)
    torch.nn.init.constant_(model.bias, 0.3)
    user, item = torch.tensor([1, 3]), torch.tensor([5, 0])
    weight = model.linear.weight[:, 0]
    expected = torch.stack([0.3 + weight[1] + weight[4 + 5], 0.3 + weight[3] + weight[4 + 0]])
    assert torch.allclose(model(user, item), expected)


def test_it_holds_one_number_a_value_and_a_bias():
    assert sum(p.numel() for p in LR(("user", "item", "age"), (4, 6, 0)).parameters()) == 4 + 6 + 1 + 1
