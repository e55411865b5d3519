"""Several entries in a byte."""

import pytest
import torch

from recprune.encodings import low_bits
from recprune.encodings.int2_rotated_rows import Int2RotatedRows
from recprune.encodings.int4_rows import Int4Rows
from recprune.encodings.spelled import spelled


@pytest.mark.parametrize(("kind", "bits"), [(Int4Rows, 4), (Int2RotatedRows, 2)])
@pytest.mark.parametrize("columns", [1, 2, 3, 4, 5, 8, 13])
def test_codes_that_are_put_into_bytes_come_out_again(kind: type[low_bits.LowBits], bits: int, columns: int):
    generator = torch.Generator().manual_seed(columns)
    wanted = torch.randint(2**bits, (6, columns), generator=generator).float()
    stored = kind.encode(torch.randn(6, columns, generator=generator))
    stored.codes.copy_(low_bits._joined(wanted, bits))
    assert torch.equal(stored.numbers(lambda part: part, torch.float32), wanted)


def test_a_byte_worked_by_hand():
    """Columns 0 and 2 share the first byte, 1 and 3 the second; the lower half comes first."""
    assert low_bits._joined(torch.tensor([[1.0, 2.0, 3.0, 4.0]]), 4).tolist() == [[1 + 16 * 3, 2 + 16 * 4]]
    assert low_bits._joined(torch.tensor([[1.0, 2.0, 3.0, 0.0, 2.0]]), 2).tolist() == [[1 + 4 * 3 + 16 * 2, 2]]


@pytest.mark.parametrize("name", ["int4_rows", "int4_rotated_rows", "int2_rotated_rows"])
@pytest.mark.parametrize("power", [-100, -70, 70, 110])
def test_rows_that_are_very_small_or_large_are_coded_as_others_are(name: str, power: int):
    rows = torch.randn(5, 16, generator=torch.Generator().manual_seed(0))
    encoding, factor = spelled(name), 2.0**power
    both = encoding.encode(torch.cat([rows, rows * factor, torch.zeros(1, 16)])).dense()
    assert torch.equal(both[5:10], both[:5] * factor)
    assert torch.equal(both[:5], encoding.encode(torch.cat([rows, rows, torch.zeros(1, 16)])).dense()[:5])
    assert not both[10].any()
