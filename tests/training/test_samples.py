import torch

from recprune.training.samples import checksum


def test_a_checksum_is_of_the_numbers_and_their_order_whatever_their_type():
    one, two = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor(5)
    assert checksum([one, two]) == checksum([one.t().t(), two.clone()])
    assert checksum([one.numpy(), two.numpy()]) == checksum([one, two])
    assert len({checksum(x) for x in ([one, two], [two, one], [one.t(), two], [one.bfloat16(), two], [one])}) == 5
