"""Item-item matrices in two bytes an entry."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import recprune
from recprune.data.dataset import Split
from recprune.encodings import item_bytes as module
from recprune.encodings.faces import PackedLinear
from recprune.encodings.item_bytes import ItemBytes
from recprune.encodings.item_item import ItemItem
from recprune.errors import SurgeryError
from recprune.evaluation.inputs import example
from recprune.evaluation.size import size_of
from recprune.models.ease import Ease
from recprune.packing import unpack
from recprune.planning.budget import Budget
from recprune.recipe.pruned import Pruned
from recprune.surgery import apply, pack_planned
from recprune.testing.data import tiny_split


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


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 1.0])
@pytest.mark.parametrize("scattered", [0, 2, 10**9])
@pytest.mark.parametrize("value", [torch.float32, torch.float64])
def test_few_and_many_items_of_a_history_are_weighed_alike(
    share: float, scattered: int, value: torch.dtype, monkeypatch: pytest.MonkeyPatch
):
    for name, number in (("TOGETHER", 50), ("BLOCK", 2_000), ("SCATTERED", scattered)):
        monkeypatch.setattr(module, name, number)
    codes = ItemBytes.of(stays(300, 40, 0.2))
    history = torch.rand(6, 40, dtype=value) * (torch.rand(6, 40) < share)
    history[2] = 0.0
    with torch.no_grad():
        found = codes.multiply(history)
    torch.testing.assert_close(found, history @ codes.dense().T.to(value), rtol=1e-4, atol=1e-5)


def test_the_columns_of_one_user_are_read_and_no_others(monkeypatch: pytest.MonkeyPatch):
    codes = ItemBytes.of(stays(300, 40, 0.2))
    monkeypatch.setattr(ItemBytes, "_by_blocks", lambda *_: pytest.fail("all entries were decoded"))
    history = torch.zeros(1, 40)
    history[0, :15] = 1.0
    with torch.no_grad():
        torch.testing.assert_close(codes.multiply(history), history @ codes.dense().T, rtol=1e-4, atol=1e-5)


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


def pruned(**how: object) -> tuple[Ease, Split, Pruned]:
    split = tiny_split(users=80, items=40, each=9)
    model = Ease.of(split)
    model.solve_(split.train.histories(), 5.0)
    return model, split, recprune.prune(model, split, **how)  # type: ignore[arg-type]


def test_a_budget_in_bytes_is_met_by_solved_entries_of_two_bytes(tmp_path: Path):
    _, split, small = pruned(budget=Budget(bytes=2_000))
    account = small.plan.account()
    assert small.plan.encodings == {"items.weight": "item_bytes"}
    assert account.bytes_after == size_of(small.model)[2] <= 2_000
    assert account.parameters_after == size_of(small.model)[1] > 500
    kept = torch.from_numpy(small.plan.units(small.plan.survey.sites[0]))
    solved = Ease.of(split)
    solved.items = ItemItem.encode(torch.zeros(41, 41), kept)
    solved.refit_(split.train.histories(), 5.0)
    near = float(solved.items.dense().detach().abs().max()) / 127
    assert torch.allclose(small.model.items.weight, solved.items.dense(), atol=near)
    folder = recprune.save(tmp_path / "small", small.model, vocabularies=small.vocabularies, plan=small.plan)
    assert (folder / "weights.safetensors").stat().st_size <= 2_000
    loaded = recprune.load(folder)
    history = torch.from_numpy(split.train.histories().dense(np.arange(1, 9)))
    with torch.no_grad():
        assert torch.equal(loaded.model(history), small.model(history))


def test_a_factor_may_name_it_and_unpacked_the_entries_are_solved_again():
    _, split, small = pruned(factor=0.6, encodings=["item_bytes"])
    assert small.plan.encodings == {"items.weight": "item_bytes"}
    assert small.plan.account().share_removed >= 0.6
    opened = unpack(small.model)
    assert isinstance(opened.items, ItemItem)
    opened.refit_(split.train.histories(), 5.0)
    near = float(opened.items.dense().detach().abs().max()) / 127
    assert torch.allclose(small.model.items.weight, opened.items.dense(), atol=near)


def test_what_is_cut_but_not_packed_yet_is_saved_and_loaded(tmp_path: Path):
    model, split, small = pruned(factor=0.6, encodings=["item_bytes"])
    cut = apply(model, small.plan, example(model, split), packed=False)
    loaded = recprune.load(recprune.save(tmp_path / "cut", cut, plan=small.plan))
    assert torch.equal(loaded.model.items.dense(), cut.items.dense())
    packed = pack_planned(cut, small.plan, example(model, split))
    assert size_of(packed)[2] == small.plan.account().bytes_after
