"""The first half of a float32."""

import torch

from recprune.encodings.bf16 import Bf16


def test_large_numbers_are_stored_too():
    matrix = torch.tensor([[1 / 3, 3e38], [1e-30, -7.0]])
    stored = Bf16.encode(matrix)
    assert torch.equal(stored.dense(), matrix.bfloat16().float())
    assert Bf16.stored_bytes((2, 2)) == 8
