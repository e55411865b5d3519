"""Half precision."""

import pytest
import torch

from recprune.encodings.fp16 import Fp16
from recprune.errors import SurgeryError


def test_entries_are_rounded_to_half_precision_and_read_back_in_their_own_type():
    matrix = torch.tensor([[1 / 3, -2.0], [1e-9, 65504.0]])
    stored = Fp16.encode(matrix)
    assert torch.equal(stored.dense(), matrix.half().float())
    assert stored.codes.dtype is torch.float16
    assert Fp16.stored_bytes((2, 2)) == 8


def test_numbers_that_half_precision_does_not_reach_are_refused():
    with pytest.raises(SurgeryError, match="too large for Fp16"):
        Fp16.encode(torch.tensor([[70000.0]]))
