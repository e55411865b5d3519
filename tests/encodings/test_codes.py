"""What all codes have in common."""

import copy

import pytest
import torch

from recprune.encodings import codes
from recprune.encodings.bf16 import Bf16
from recprune.encodings.int4_rotated_rows import Int4RotatedRows
from recprune.encodings.int4_rows import Int4Rows
from recprune.encodings.int8_rows import Int8Rows
from recprune.errors import SurgeryError


@pytest.mark.parametrize(
    ("matrix", "said"),
    [
        (torch.rand(3), "only matrices"),
        (torch.zeros(2, 2, dtype=torch.long), "only matrices"),
        (torch.rand(0, 3), "only matrices"),
        (torch.tensor([[1.0, torch.nan]]), "NaN or infinite"),
        (torch.full((2, 2), 1e300, dtype=torch.float64), "too large"),
    ],
)
def test_what_is_no_matrix_of_finite_floats_is_refused(matrix: torch.Tensor, said: str):
    with pytest.raises(SurgeryError, match=said):
        Int8Rows.encode(matrix)


@pytest.mark.parametrize("kind", [Int8Rows, Int4RotatedRows, Bf16])
def test_a_product_never_holds_the_whole_decoded_matrix(
    level: str, kind: type[codes.Codes], monkeypatch: pytest.MonkeyPatch
):
    stored = kind.encode(torch.randn(1000, 16, generator=torch.Generator().manual_seed(0)))
    monkeypatch.setattr(codes, "ENTRIES", 640)
    most = 0

    def watched(plain):
        def call(*given):
            nonlocal most
            out = plain(*given)
            most = most if out is None else max(most, len(out))
            return out

        return call

    for name in ("numbers", "quick_rows"):
        monkeypatch.setattr(kind, name, watched(getattr(kind, name)))
    x = torch.randn(5, 16, generator=torch.Generator().manual_seed(1))
    product = stored.multiply(x)
    assert most == 40
    stored.rows(torch.tensor([3, 999]))
    assert most == 40
    torch.testing.assert_close(product, x @ stored.dense().T, rtol=1e-5, atol=1e-5)


def test_gradients_reach_the_query():
    stored = Int8Rows.encode(torch.randn(6, 4, generator=torch.Generator().manual_seed(0)))
    x = torch.randn(2, 4, requires_grad=True)
    stored.multiply(x).sum().backward()
    torch.testing.assert_close(x.grad, stored.dense().sum(0).expand(2, 4))


def test_a_copy_is_of_its_own():
    stored = Int4RotatedRows.encode(torch.randn(6, 4, generator=torch.Generator().manual_seed(0)))
    other = copy.deepcopy(stored)
    other.scale.zero_()
    assert not bool(other.dense().any())
    assert bool(stored.dense().any())


def test_a_moved_type_leaves_scales_as_they_are():
    matrix = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)) * 1e-30
    stored = Int8Rows.encode(matrix)
    before = stored.scale.clone()
    assert torch.equal(stored.double().scale, before)
    assert stored.dense().dtype is torch.float64
    assert torch.equal(stored.half().float().scale, before)


@pytest.mark.parametrize("kind", [Int8Rows, Int4RotatedRows, Bf16])
def test_there_and_back_through_a_shorter_type_it_is_the_same(kind: type[codes.Codes]):
    stored = kind.encode(torch.randn(6, 5, generator=torch.Generator().manual_seed(0)))
    before = stored.dense()
    assert torch.equal(stored.half().float().dense(), before)
    assert stored.to("meta").dense().shape == (6, 5)


@pytest.mark.parametrize("kind", [Int8Rows, Int4Rows])
def test_small_numbers_of_half_precision_are_rounded_once(kind: type[codes.Codes]):
    matrix = (torch.randn(40, 32, generator=torch.Generator().manual_seed(0)) * 1e-4).half()
    stored, wide = kind.encode(matrix), kind.encode(matrix.float())
    assert torch.equal(stored.codes, wide.codes)
    decoded, exact = stored._decoded(lambda part: part, torch.half), wide._decoded(lambda part: part, torch.float32)
    assert torch.equal(decoded, exact.half())
    if kind is Int8Rows:
        rounding = 2.0**-25 * 32**0.5  # half of the smallest number, in each of 32
        assert bool(((stored.dense() - matrix).float().norm(dim=1) <= kind.bound(matrix.float()) + rounding).all())


def test_parts_of_another_type_are_refused():
    parts = dict(Int8Rows.encode(torch.rand(3, 4)).named_buffers())
    with pytest.raises(SurgeryError, match="part 'scale'"):
        Int8Rows.rebuilt({**parts, "scale": parts["scale"].float()})
    with pytest.raises(SurgeryError, match="'like' is of shape"):
        Int8Rows.rebuilt({**parts, "like": torch.zeros(2, 4)})
    with pytest.raises(SurgeryError, match="not whole"):
        Int8Rows.rebuilt({"codes": parts["codes"]})
