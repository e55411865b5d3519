import torch

from recprune.models.fm import FM


def test_the_logit_is_bias_weights_and_inner_products_of_all_pairs():
    torch.manual_seed(0)
    model = FM(("user", "item", "age"), (4, 6, 0), dim=3)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    user, item, age = torch.tensor([1, 3]), torch.tensor([5, 0]), torch.tensor([0.5, -2.0])
    logits = model(user, item, age)
    for row in range(2):
        rows = [int(user[row]), 4 + int(item[row])]
        vectors = [*model.table.weight[rows], age[row] * model.number_weight[0] + model.number_bias[0]]
        pairs = sum(vectors[f] @ vectors[g] for f in range(3) for g in range(f))
        weights = model.linear.weight[rows].sum() + age[row] * model.number_linear[0]
        assert torch.allclose(logits[row], model.bias + weights + pairs, atol=1e-5)
