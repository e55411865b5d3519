import torch

from recprune.training.inverse import inverse


def symmetric(eigenvalues):
    turn = torch.linalg.qr(torch.randn(len(eigenvalues), len(eigenvalues), dtype=torch.float64)).Q
    return turn @ torch.diag(torch.tensor(eigenvalues, dtype=torch.float64)) @ turn.T


def test_the_map_of_the_inverse_gives_the_values_back():
    matrix, values = symmetric([0.1, 0.2, 0.5, 0.7, 1.0, 1.0]), torch.randn(6, 3, dtype=torch.float64)
    assert torch.allclose(matrix @ inverse(lambda x: matrix @ x, values), values, atol=1e-4)


def test_columns_do_not_disturb_each_other():
    matrix, values = symmetric([0.3, 0.6, 1.0]), torch.randn(3, 2, dtype=torch.float64)
    both = inverse(lambda x: matrix @ x, values * torch.tensor([1.0, 1e6]))
    assert torch.allclose(both[:, 0], inverse(lambda x: matrix @ x, values[:, :1])[:, 0], atol=1e-4)


def test_what_the_map_cannot_give_is_left_out_and_the_rest_is_exact():
    matrix, values = symmetric([0.0, 0.0, 0.4, 0.5, 0.9, 1.0]), torch.randn(6, 4, dtype=torch.float64)
    found = matrix @ inverse(lambda x: matrix @ x, values)
    reached = matrix @ torch.linalg.pinv(matrix) @ values
    assert torch.allclose(found, reached, atol=1e-3)


def test_roundings_of_what_the_map_cannot_give_lead_nowhere():
    torch.manual_seed(0)
    matrix, values = symmetric([0.0, 0.0, 0.4, 0.5, 0.9, 1.0]).float(), torch.randn(6, 40)
    found = inverse(lambda x: matrix @ x, values)
    assert found.abs().max() < 20
    assert torch.allclose(matrix @ found, matrix @ torch.linalg.pinv(matrix, atol=1e-3) @ values, atol=1e-2)


def test_nothing_is_taken_to_nothing():
    values = torch.zeros(4, 2)
    assert torch.equal(inverse(lambda x: 0.5 * x, values), values)
