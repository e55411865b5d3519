"""Item-item matrices in two bytes an entry."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recprune.encodings import item_bytes as module
from recprune.encodings.faces import PackedLinear
from recprune.encodings.item_bytes import ItemBytes
from recprune.encodings.item_item import ItemItem
from recprune.errors import SurgeryError


def stays(rows: int, columns: int, share: float, seed: int = 0) -> ItemItem:
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(rows, columns, generator=generator)
    return ItemItem.encode(matrix, (torch.rand(matrix.numel(), generator=generator) < share).nonzero().flatten())


def held(codes: ItemBytes) -> int:
    return sum(part.numel() * part.element_size() for part in codes.buffers())


@settings(max_examples=30, deadline=None)
@given(
    rows=st.sampled_from([1, 7, 255, 256, 600]),
    columns=st.integers(1, 9),
    share=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_every_entry_is_where_it_was_and_half_a_scale_off_at_most(rows: int, columns: int, share: float, seed: int):
    wanted = stays(rows, columns, share, seed)
    codes = ItemBytes.of(wanted)
    codes.check()
    off = (codes.dense() - wanted.dense()).abs()
    assert bool((off <= codes.scale.float() / 2 * 1.001).all())
    assert codes.entries == len(wanted.values)
    if codes.entries:
        said = ItemBytes.stored_bytes((rows, columns), entries=codes.entries)
        assert said == held(codes) == 2 * codes.entries + columns * (-(-rows // 255) + 4) + 2 * rows


@pytest.mark.parametrize("share", [0.01, 0.1, 1.0])
def test_few_and_many_items_of_a_history_are_weighed_alike(share: float, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "TOGETHER", 50)
    codes = ItemBytes.of(stays(300, 40, 0.2))
    history = torch.rand(6, 40) * (torch.rand(6, 40) < share)
    history[2] = 0.0
    with torch.no_grad():
        found = codes.multiply(history)
    torch.testing.assert_close(found, history @ codes.dense().T, rtol=1e-4, atol=1e-5)


def test_entries_come_back_to_be_trained_and_packed_again():
    codes = ItemBytes.of(stays(30, 12, 0.3))
    opened = codes.opened()
    opened.check()
    assert torch.equal(opened.dense(), codes.dense())
    again = ItemBytes.of(opened)
    torch.testing.assert_close(again.dense(), codes.dense(), rtol=1e-2, atol=0.0)


def test_a_row_and_a_column_without_entries_stay_empty():
    matrix = torch.ones(4, 3)
    codes = ItemBytes.of(ItemItem.encode(matrix, torch.tensor([0, 2, 6])))
    wanted = torch.tensor([[1.0, 0, 1], [0, 0, 0], [1, 0, 0], [0, 0, 0]])
    torch.testing.assert_close(codes.dense(), wanted, rtol=1e-2, atol=0.0)
    assert not codes.multiply(torch.tensor([[0.0, 5.0, 0.0]])).any()


def test_it_is_exported_for_batches_of_any_size():
    layer = PackedLinear(ItemBytes.of(stays(9, 7, 0.4)), None)
    with torch.no_grad():
        program = torch.export.export(layer, (torch.rand(3, 7),), dynamic_shapes=({0: torch.export.Dim("batch")},))
    history = torch.rand(17, 7)
    torch.testing.assert_close(program.module()(history), history @ layer.weight.T)


@pytest.mark.parametrize("part", ["places", "counts", "starts"])
def test_damaged_parts_are_refused(part: str):
    parts = dict(ItemBytes.of(stays(300, 8, 0.5)).named_buffers())
    parts[part] = parts[part].flip(0)
    with pytest.raises(SurgeryError, match="damaged"):
        ItemBytes.rebuilt(parts)


def test_numbers_that_are_not_finite_are_refused():
    broken = stays(5, 5, 1.0)
    broken.values.data[3] = torch.inf
    with pytest.raises(SurgeryError, match="infinite"):
        ItemBytes.of(broken)
