import pytest
import torch

from recprune.errors import DataError
from recprune.models.autoint import AutoInt, FieldAttention


def slow(layer, x):
    """One row, head by head and field by field."""
    out = []
    for f in range(len(x)):
        heads = []
        for h in range(layer.heads):
            part = slice(h * layer.inside, (h + 1) * layer.inside)
            q, k, v = (m.weight[part] for m in (layer.query, layer.key, layer.value))
            shares = torch.softmax(torch.stack([(q @ x[f]) @ (k @ x[g]) for g in range(len(x))]), 0)
            heads.append(sum(shares[g] * (v @ x[g]) for g in range(len(x))))
        out.append(torch.relu(torch.cat(heads) + layer.residual.weight @ x[f]))
    return torch.stack(out)


@pytest.mark.parametrize("hidden", [(), (5,)])
def test_fields_attend_to_each_other_as_the_equations_say(hidden):
    torch.manual_seed(0)
    model = AutoInt(("user", "item", "city"), (4, 6, 3), dim=4, layers=2, heads=2, inside=3, hidden=hidden).eval()
    torch.nn.init.normal_(model.table.weight)
    columns = torch.tensor([1, 3]), torch.tensor([5, 0]), torch.tensor([2, 1])
    logits = model(*columns)
    for row in range(2):
        vectors = model.table.weight[torch.stack(columns)[:, row] + model.offsets]
        x = slow(model.attention[1], slow(model.attention[0], vectors))
        expected = model.output(x.view(1, -1)).squeeze()
        if hidden:
            expected = expected + model.tower(vectors.view(1, -1)).squeeze()
        assert torch.allclose(logits[row], expected, atol=1e-5)


def test_it_needs_a_head():
    with pytest.raises(DataError, match="heads"):
        AutoInt(("user",), (4,), heads=0)


def test_what_is_learned_is_what_is_answered():
    torch.manual_seed(0)
    layer, x = FieldAttention(4, 2, 3), (7 * torch.randn(5, 6, 4)).requires_grad_()
    found = []
    for part in (layer.eval(), layer.train()):
        out = part(x)
        found.append([out, *torch.autograd.grad(out.square().sum(), [x, *layer.parameters()])])
    for answered, learned in zip(*found, strict=True):
        torch.testing.assert_close(learned, answered, rtol=1e-4, atol=1e-4)
