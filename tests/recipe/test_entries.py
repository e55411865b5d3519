"""Tables by some of their entries, within a number of bytes."""

from pathlib import Path

import pytest
import torch

from recprune.artifact import load, save
from recprune.encodings.faces import Packed
from recprune.errors import BudgetError
from recprune.models.build import build
from recprune.models.mf import MF
from recprune.recipe.entries import largest_entries, most_entries, pack_sparse
from recprune.recipe.pep import pep
from recprune.testing.data import tiny_split
from recprune.training.fit import FitOptions
from recprune.training.soft_threshold import Sparse

USERS = (torch.arange(5),)


def factors(rows: int = 300, items: int = 500, dim: int = 16) -> MF:
    torch.manual_seed(0)
    model = MF(rows, items, dim)
    for table in (model.user, model.item):
        table.weight.data.copy_(torch.randn_like(table.weight) * torch.rand(len(table.weight), 1) ** 2)
    return model


def weights(folder: Path) -> int:
    return (folder / "weights.safetensors").stat().st_size


@pytest.mark.parametrize("bits", [0, 8, 4])
@pytest.mark.parametrize("floor", [0, 1, 2])
@pytest.mark.parametrize("limit", [9_000, 14_000, 30_000])
def test_the_file_is_within_the_bytes_and_one_entry_more_would_not_fit(limit: int, floor: int, bits: int, tmp_path):
    model = factors()
    if not bits and limit < 14_000 and floor == 2:
        with pytest.raises(BudgetError, match="cannot be met"):
            largest_entries(model, limit, floor=floor, bits=bits)
        return
    small = largest_entries(model, limit, floor=floor, bits=bits, example=USERS)
    save(tmp_path / "a", small)
    all_stay = sum(m.stored.entries for m in small.modules() if isinstance(m, Packed)) == 800 * 16
    assert weights(tmp_path / "a") <= limit
    assert all_stay or weights(tmp_path / "a") > limit - 32
    for before, table in ((model.user, small.user), (model.item, small.item)):
        assert int((table.weight != 0).sum(1).min()) >= floor - (bits == 4)
        assert bits or torch.equal(table.weight, before.weight * (table.weight != 0))
    assert torch.equal(load(tmp_path / "a").model(*USERS), small(*USERS))


def test_a_floor_holds_in_an_odd_number_of_rows_with_two_entries_a_byte(tmp_path):
    model = factors(rows=301, items=499)
    small = largest_entries(model, 7_000, floor=1, bits=4)
    assert weights(save(tmp_path / "a", small)) <= 7_000
    assert [m.stored.entries % 2 for m in (small.user, small.item)] == [0, 0]
    assert min(int(m.stored.entries) - m.num_embeddings for m in (small.user, small.item)) >= 0


def test_both_tables_lose_their_smallest_entries_by_one_threshold():
    model = factors()
    small = largest_entries(model, 15_000)
    stay = torch.cat([model.user.weight[small.user.weight != 0], model.item.weight[small.item.weight != 0]]).abs()
    gone = torch.cat([model.user.weight[small.user.weight == 0], model.item.weight[small.item.weight == 0]]).abs()
    assert bool((gone.max() <= stay.min()).all())
    assert int((small.user.weight != 0).sum(1).min()) == 0


def test_a_model_that_fits_as_it_is_stays_whole():
    model = factors()
    assert torch.equal(largest_entries(model, 10**6)(*USERS), model(*USERS))


def test_bytes_that_all_else_takes_are_refused():
    with pytest.raises(BudgetError) as caught:
        largest_entries(factors(), 3_000)
    assert caught.value.reachable > 3_000
    with pytest.raises(BudgetError, match="no room"):
        most_entries(factors(), 3_000)


@pytest.mark.parametrize("bits", [0, 8, 4])
@pytest.mark.parametrize("split", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize(("dim", "limit"), [(16, 9_000), (16, 20_000), (8, 12_000), (300, 20_000), (300, 80_000)])
def test_any_entries_of_that_share_fit_wherever_they_lie(dim: int, limit: int, split: float, bits: int, tmp_path):
    """split: part of the entries that lie in the first table."""
    model = factors(dim=dim)
    sizes = [model.user.weight.numel(), model.item.weight.numel()]
    share = most_entries(model, limit, bits=bits)
    number = round(share * sum(sizes))
    first = min(round(split * number), sizes[0])
    second = min(number - first, sizes[1])
    counts = {"user.weight": number - second, "item.weight": second}
    generator = torch.Generator().manual_seed(0)
    kept = {}
    for name, size in zip(counts, sizes, strict=True):
        kept[name] = torch.randperm(size, generator=generator)[: counts[name]].sort().values
        table = model.get_parameter(name).data
        table.copy_(torch.zeros(size).index_copy_(0, kept[name], table.flatten()[kept[name]]).view_as(table))
    try:
        small = pack_sparse(Sparse(model, kept, None), bits=bits, example=USERS)
    except BudgetError:
        assert share > 0.6  # nothing is saved, or the whole table lies in one
        return
    save(tmp_path / "a", small)
    assert weights(tmp_path / "a") <= limit
    if not bits:
        assert torch.equal(small.user.weight, model.user.weight)


def test_entries_that_training_finds_are_stored_within_the_bytes(tmp_path):
    split = tiny_split()
    model = build("mf", split, dim=32)
    found = pep(model, split, most_entries(model, 3_000), options=FitOptions(epochs=2, batch=32, lr=0.02))
    small = pack_sparse(found)
    save(tmp_path / "a", small)
    assert weights(tmp_path / "a") <= 3_000
    assert torch.equal(small.item.weight, found.model.item.weight)
