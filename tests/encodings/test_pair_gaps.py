"""Sparse matrices of one value by the gaps between their columns."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.encodings.test_pairs import pairs

from recprune.encodings import pair_gaps as module
from recprune.encodings.item_item import ItemItem
from recprune.encodings.pair_bits import PairBits
from recprune.encodings.pair_gaps import PairGaps
from recprune.errors import SurgeryError


def size(codes: PairGaps) -> int:
    return sum(part.numel() * part.element_size() for name, part in codes.named_buffers() if name != "like")


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 40),
    columns=st.sampled_from([1, 3, 64, 1000, 70_000]),
    share=st.sampled_from([0.001, 0.01, 0.2, 1.0]),
    many=st.sampled_from([1, 1 << 15]),
    seed=st.integers(0, 99),
)
def test_bytes_are_those_that_were_counted_and_no_more_than_was_said(
    rows: int, columns: int, share: float, many: int, seed: int
):
    held = pairs(rows, columns, share, seed)
    if not len(held.values):
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MANY", many)
        codes = PairGaps.of(held)
        codes.check()
        places = held.rows() * columns + held.indices.long()
        assert torch.equal(codes.places(), places)
        room = PairGaps.room(places, (rows, columns))
        assert size(codes) == PairGaps.stored_bytes((rows, columns), entries=codes.entries, room=room)
        assert size(codes) <= PairGaps.stored_bytes((rows, columns), entries=codes.entries)


def test_pairs_that_are_coded_in_inference_mode_are_read_there():
    held = pairs(20, 30, 0.2, 1)
    with torch.inference_mode():
        codes = PairGaps.of(held)
        assert torch.equal(codes.places(), held.rows() * 30 + held.indices.long())


def test_columns_that_stand_together_take_less_than_their_places_on_their_own():
    generator = torch.Generator().manual_seed(0)
    first = torch.randint(0, 60_000, (2000, 1), generator=generator)
    columns = first + torch.randint(1, 40, (2000, 12), generator=generator).cumsum(1)
    places = (torch.arange(2000)[:, None] * 61_000 + columns).flatten()
    bits = 8 * PairGaps.room(places, (2000, 61_000)) / len(places)
    assert bits < 0.6 * 8 * PairBits.stored_bytes((2000, 61_000), entries=len(places)) / len(places)


def test_gaps_that_follow_their_like_take_less_where_there_are_many(monkeypatch: pytest.MonkeyPatch):
    generator = torch.Generator().manual_seed(0)
    wide = torch.where(torch.rand(4000, 1, generator=generator) < 0.5, 2, 500)
    gaps = (torch.rand(4000, 10, generator=generator) * wide).long() + 1
    places = (torch.arange(4000)[:, None] * 5001 + gaps.cumsum(1)).flatten()
    swayed = PairGaps.room(places, (4000, 5001))
    monkeypatch.setattr(module, "MANY", 1 << 60)
    assert swayed < 0.95 * PairGaps.room(places, (4000, 5001))


def test_other_bytes_than_were_said_are_refused():
    held = pairs(30, 50, 0.2)
    room = len(PairGaps.of(held).codes)
    assert len(PairGaps.of(held, room=room).codes) == room
    for wrong in (room - 1, room + 1):
        with pytest.raises(SurgeryError, match="Leave it out"):
            PairGaps.of(held, room=wrong)


def test_rows_that_are_not_there_are_told_by_their_numbers():
    matrix = torch.full((9, 6), 0.5)
    matrix[[0, 3, 4, 8]] = 0.0
    codes = PairGaps.encode(matrix)
    assert torch.equal(codes.dense(), matrix)
    assert codes.count.tolist() == [54, 9, 4, 0]
    assert PairGaps.encode(torch.zeros(9, 6)).count.tolist() == [54, 9, 0, 0]


def test_rows_in_the_order_of_their_first_columns_take_less():
    held = pairs(900, 3000, 0.002)
    order = held.first_columns().argsort(stable=True)
    placed = held.arranged(order)
    plain, less = PairGaps.of(held), PairGaps.of(placed)
    assert plain.count[3] == 0
    assert less.count[3] == 1
    assert len(less.codes) < 0.9 * len(plain.codes)
    assert torch.equal(less.dense(), held.dense()[order])
    last = PairGaps.of(placed.arranged(torch.arange(900).roll(400)))
    assert len(last.codes) < 0.91 * len(plain.codes)
    assert torch.equal(last.opened().indices, placed.arranged(torch.arange(900).roll(400)).indices)


def test_what_was_read_is_kept_until_codes_are_others():
    held, other = (ItemItem.encode(torch.ones(3, 50), torch.tensor(kept)) for kept in ([3, 60], [4, 60]))
    one, other = PairGaps.of(held), PairGaps.of(other)
    before = one.places()
    assert one.places() is before
    one.load_state_dict(other.state_dict())
    assert torch.equal(one.places(), other.places())


@settings(max_examples=300, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255), seed=st.integers(0, 3))
def test_damaged_codes_are_another_matrix_or_one_error(place: float, value: int, seed: int):
    parts = {name: part.clone() for name, part in PairGaps.of(pairs(30, 50, 0.2, seed)).named_buffers()}
    parts["codes"][int(place * len(parts["codes"]))] = value
    try:
        found = PairGaps.rebuilt(parts)
    except SurgeryError as error:
        assert "damaged" in str(error)  # noqa: PT017 (either way is right, and nothing else)
        return
    places = found.places()
    assert len(places) == found.entries
    assert bool((places.diff() > 0).all())
    assert int(places[-1]) < 30 * 50
    found.opened().check()


@pytest.mark.parametrize(
    "count",
    [
        (1, 30, 0, 0),
        (2**40, 30, 0, 0),
        (300, 2**40, 0, 0),
        (300, 30, 31, 0),
        (300, 30, -1, 0),
        (300, 30, 0, 2),
        (0, 0, 0, 0),
    ],
)
def test_counts_that_cannot_be_are_refused_before_memory_is_taken(count: tuple[int, ...]):
    parts = dict(PairGaps.of(pairs(30, 50, 0.2)).named_buffers())
    with pytest.raises(SurgeryError):
        PairGaps.rebuilt({**parts, "count": torch.tensor(count)})


def test_a_matrix_of_no_bytes_is_refused():
    parts = dict(PairGaps.of(ItemItem.encode(torch.ones(2, 2), torch.tensor([1]))).named_buffers())
    with pytest.raises(SurgeryError, match="row of bytes"):
        PairGaps.rebuilt({**parts, "codes": parts["codes"][:0]})
