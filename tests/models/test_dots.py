import pytest
import torch

from recprune.models._dots import FEW, dots


@pytest.mark.parametrize("m", [0, 1, 2, FEW, FEW + 1])
def test_few_rows_and_many_give_the_same_dot_products_and_gradients(m):
    torch.manual_seed(0)
    query = torch.randn(5, 7, dtype=torch.float64, requires_grad=True)
    rows = torch.randn(5, m, 7, dtype=torch.float64, requires_grad=True)
    wanted = torch.einsum("bmd,bd->bm", rows, query)
    found = dots(query, rows)
    assert torch.allclose(found, wanted)
    by = torch.randn(5, m, dtype=torch.float64)
    ours, theirs = (torch.autograd.grad(scores, (query, rows), by) for scores in (found, wanted))
    assert all(torch.allclose(one, other) for one, other in zip(ours, theirs, strict=True))


def test_rows_for_all_queries_are_one_product():
    query, rows = torch.randn(5, 7), torch.randn(3, 7)
    assert torch.equal(dots(query, rows), query @ rows.T)
