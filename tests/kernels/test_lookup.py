"""Rows of packed tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from recprune.encodings.bf16 import Bf16
from recprune.encodings.faces import PackedEmbedding
from recprune.encodings.int4_rotated_rows import Int4RotatedRows
from recprune.encodings.int4_rows import Int4Rows
from recprune.encodings.int8_rows import Int8Rows
from recprune.encodings.product_rows import ProductRows
from recprune.encodings.sparse_rows import SparseRows
from recprune.errors import DataError
from recprune.kernels.lookup import look_up

ENCODINGS = [Int8Rows, Int4Rows, Int4RotatedRows, Bf16, ProductRows, SparseRows]


def packed(encoding: Any, width: int, dtype: torch.dtype = torch.float32) -> Any:
    table = torch.randn(50, width, generator=torch.Generator().manual_seed(width)).to(dtype)
    return encoding.encode(table)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("width", [1, 7, 16, 33])
def test_rows_are_those_that_the_codes_give_to_the_bit(level: str, encoding: Any, width: int) -> None:
    codes = packed(encoding, width)
    ids = torch.tensor([3, 49, 0, 3])
    assert torch.equal(look_up(codes, ids), codes.rows(ids))
    assert torch.equal(look_up(PackedEmbedding(codes, None), ids.int()), codes.rows(ids))
    assert look_up(codes, []).shape == (0, width)


@pytest.mark.parametrize("encoding", [Int8Rows, Int4Rows])
def test_other_types_of_floats_are_decoded_as_they_are(level: str, encoding: Any) -> None:
    codes = packed(encoding, 8, torch.float64)
    found = look_up(codes, [1, 2])
    assert found.dtype is torch.float64
    assert torch.equal(found, codes.rows(torch.tensor([1, 2])))


@pytest.mark.parametrize("encoding", [Int8Rows, SparseRows])
@pytest.mark.parametrize("ids", [[-1], [50], [2**40], [0.5], [[1]], np.array([2**63], dtype=np.uint64)])
def test_an_id_that_there_is_not_is_refused(level: str, encoding: Any, ids: Any) -> None:
    with pytest.raises(DataError):
        look_up(packed(encoding, 8), ids)
