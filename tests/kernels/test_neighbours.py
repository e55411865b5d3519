"""Item-item rows, beside a loop over all entries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from recprune.encodings.faces import PackedLinear
from recprune.encodings.int8_rows import Int8Rows
from recprune.encodings.item_bytes import ItemBytes
from recprune.encodings.item_item import ItemItem
from recprune.errors import DataError
from recprune.kernels.neighbours import Neighbours

many_levels = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


Held = ItemItem | ItemBytes | nn.Linear


def layer(matrix: torch.Tensor) -> nn.Linear:
    """All entries of a (rows, columns) matrix, also those that are zero."""
    made = nn.Linear(matrix.shape[1], matrix.shape[0], bias=False)
    made.weight = nn.Parameter(matrix)
    return made


def full(rows: int, columns: int, seed: int) -> nn.Linear:
    rng = np.random.default_rng(seed)
    return layer(torch.from_numpy(rng.integers(-3, 5, (rows, columns)).astype(np.float32)))


def made(rows: int, columns: int, share: float, seed: int, coded: bool) -> ItemItem | ItemBytes:
    rng = np.random.default_rng(seed)
    matrix = torch.from_numpy(rng.integers(-3, 5, (rows, columns)).astype(np.float32))
    kept = np.flatnonzero(rng.random(rows * columns) < share)
    stays = ItemItem.encode(matrix, torch.from_numpy(kept if len(kept) else np.array([0])))
    return ItemBytes.of(stays) if coded else stays


def slow(matrix: Held, history: Any, k: int, out: Any, weights: Any = None) -> tuple[list[int], list[float]]:
    """float32 sums from the lowest item to the highest."""
    scale = np.float32(1)
    if isinstance(matrix, ItemBytes):
        scale = matrix.scale.float().reshape(-1).numpy()
        step = np.where(scale == 0, np.float32(1), scale)
        dense = np.round(matrix.dense().numpy() / step[:, None]).astype(np.float32)
    else:
        dense = (matrix.weight if isinstance(matrix, nn.Linear) else matrix.dense()).detach().numpy()
    sums = np.zeros(len(dense), dtype=np.float32)
    by = [1.0] * len(history) if weights is None else weights
    for item, weight in sorted(zip(history, by, strict=True), key=lambda pair: pair[0]):
        sums = sums + dense[:, item] * np.float32(weight)
    sums = sums * scale
    order = sorted((i for i in range(len(sums)) if i not in out), key=lambda i: (-sums[i], i))[:k]
    return order, [float(sums[i]) for i in order]


@many_levels
@given(
    rows=st.sampled_from([1, 15, 16, 17, 254, 255, 256, 530]),
    columns=st.integers(1, 30),
    share=st.sampled_from([0.0, 0.02, 0.3, 1.0]),
    seed=st.integers(0, 999),
    k=st.integers(1, 40),
    coded=st.booleans(),
    weighed=st.booleans(),
)
def test_it_lists_what_a_loop_over_all_entries_lists(
    level: str, rows: int, columns: int, share: float, seed: int, k: int, coded: bool, weighed: bool
) -> None:
    matrix = made(rows, columns, share, seed, coded)
    rng = np.random.default_rng(seed)
    history = rng.choice(columns, rng.integers(0, columns + 1), replace=False)
    weights = rng.standard_normal(len(history)).astype(np.float32) if weighed else None
    out = rng.integers(0, rows, rng.integers(0, rows + 1))
    top = Neighbours.of(matrix).top(history, k, out, weights=weights)
    items, scores = slow(matrix, history, k, set(out.tolist()), weights)
    assert top.items.tolist() == items
    assert top.scores.tolist() == scores


@many_levels
@given(
    rows=st.sampled_from([1, 15, 16, 17, 255, 530]),
    columns=st.integers(1, 30),
    seed=st.integers(0, 999),
    k=st.integers(1, 40),
    scaled=st.booleans(),
    weighed=st.booleans(),
)
def test_a_matrix_of_all_entries_lists_what_a_loop_lists(
    level: str, rows: int, columns: int, seed: int, k: int, scaled: bool, weighed: bool
) -> None:
    matrix, rng = full(rows, columns, seed), np.random.default_rng(seed)
    history = rng.integers(0, columns, rng.integers(0, columns + 1))
    weights = rng.integers(-2, 3, len(history)).astype(np.float32) if weighed else None
    scale = 2.0 ** rng.integers(-2, 3, rows).astype(np.float32) if scaled else None
    out = rng.integers(0, rows, rng.integers(0, rows + 1))
    top = Neighbours.of(matrix, scale=scale, without=[0]).top(history, k, out, weights=weights)
    by_hand = matrix if scale is None else layer(matrix.weight.detach() * torch.from_numpy(scale)[:, None])
    items, scores = slow(by_hand, history, k, {*out.tolist(), 0}, weights)
    assert top.items.tolist() == items
    assert top.scores.tolist() == scores


def test_a_matrix_of_all_entries_is_copied_and_has_to_be_finite(level: str) -> None:
    matrix = full(40, 40, 2)
    neighbours = Neighbours.of(matrix)
    before = neighbours.top([3, 9], 5).items.tolist()
    with torch.no_grad():
        matrix.weight[7, 3] = np.nan
    assert neighbours.top([3, 9], 5).items.tolist() == before
    with pytest.raises(DataError, match="finite"):
        Neighbours.of(matrix)
    with pytest.raises(DataError, match="scale"):
        Neighbours.of(full(4, 4, 0), scale=[1.0, 0.0, 1.0, 1.0])


@pytest.mark.parametrize("coded", [False, True])
def test_all_users_get_what_each_gets(level: str, coded: bool) -> None:
    neighbours = Neighbours.of(made(300, 300, 0.05, 1, coded), without=[0])
    rng = np.random.default_rng(5)
    histories = [rng.integers(0, 300, rng.integers(0, 12)) for _ in range(40)]
    starts = np.concatenate([[0], np.cumsum([len(one) for one in histories])])
    ragged = starts, np.concatenate(histories)
    mine, nothing = (
        neighbours.top_of_all(ragged, 9),
        neighbours.top_of_all(ragged, 9, (np.zeros(41, dtype=np.int64), [])),
    )
    for user, history in enumerate(histories):
        assert mine.items[user].tolist() == neighbours.top(history, 9).items.tolist()
        assert nothing.items[user].tolist() == neighbours.top(history, 9, []).items.tolist()
    assert not np.isin(mine.items, [0, -1]).any()


def test_the_history_is_left_out_unless_something_else_is(level: str) -> None:
    neighbours = Neighbours.of(made(20, 20, 1.0, 3, False))
    assert not set(neighbours.top([4, 9], 20).items) & {4, 9}
    assert set(neighbours.top([4, 9], 20, exclude=[1]).items) == set(range(20)) - {1}


def test_an_item_that_comes_twice_counts_twice(level: str) -> None:
    neighbours = Neighbours.of(made(20, 20, 1.0, 3, False))
    once, twice = neighbours.top([4], 20, []), neighbours.top([4, 4], 20, [])
    assert once.items.tolist() == twice.items.tolist()
    assert (2 * once.scores).tolist() == twice.scores.tolist()


def test_where_nothing_leads_to_items_come_by_number(level: str) -> None:
    neighbours = Neighbours.of(ItemItem.encode(torch.eye(50), torch.tensor([0, 51])), without=[0])
    top = neighbours.top([30], 3)
    assert top.items.tolist() == [1, 2, 3]
    assert top.scores.tolist() == [0, 0, 0]


def test_where_everything_is_left_out_nothing_is_listed(level: str) -> None:
    for coded in (False, True):
        neighbours = Neighbours.of(made(40, 8, 0.3, 0, coded))
        assert len(neighbours.top([1, 2], 5, np.arange(40)).items) == 0


def test_one_request_leaves_nothing_for_the_next(level: str) -> None:
    neighbours = Neighbours.of(made(700, 40, 0.1, 2, False))
    first = neighbours.top([1, 2, 3], 20)
    neighbours.top(np.arange(40), 20, np.arange(700))
    again = neighbours.top([1, 2, 3], 20)
    assert (first.items == again.items).all()
    assert (first.scores == again.scores).all()


@pytest.mark.parametrize("coded", [False, True, None])
@pytest.mark.parametrize("rows", [4079, 4080, 4081, 9000])
def test_blocks_of_rows_meet_where_they_should(level: str, coded: bool | None, rows: int) -> None:
    matrix = full(rows, 12, 7) if coded is None else made(rows, 12, 0.2, 7, coded)
    out = [0, 4079 % rows, 4080 % rows, rows - 1]
    neighbours = Neighbours.of(matrix, without=[4078])
    for history, k in (([2, 5, 5, 11], 30), ([3], rows)):
        top = neighbours.top(history, k, out)
        items, scores = slow(matrix, history, k, {*out, 4078})
        assert top.items.tolist() == items
        assert top.scores.tolist() == scores


@pytest.mark.parametrize("k", [1, 2, 3, 5, 63, 64, 65, 300])
@pytest.mark.parametrize("length", [1, 40, 255, 256, 257, 600])
def test_short_and_long_histories_and_lists_are_answered_alike(level: str, k: int, length: int) -> None:
    matrix = made(300, 300, 0.02, 8, False)
    history = np.random.default_rng(k).integers(0, 300, length)
    top = Neighbours.of(matrix).top(history, k, [])
    items, scores = slow(matrix, history, k, set())
    assert top.items.tolist() == items
    assert top.scores.tolist() == scores


def test_a_packed_layer_is_taken_by_its_codes(level: str) -> None:
    codes = made(60, 60, 0.2, 4, True)
    assert isinstance(codes, ItemBytes)
    assert Neighbours.of(PackedLinear(codes, None)).top([3], 4).items.tolist() == slow(codes, [3], 4, {3})[0]


@pytest.mark.parametrize("coded", [False, True])
def test_scores_are_scaled_item_by_item(level: str, coded: bool) -> None:
    matrix = made(60, 60, 0.2, 4, coded)
    scale = np.random.default_rng(0).uniform(0.1, 3, 60).astype(np.float32)
    top = Neighbours.of(matrix, scale=scale).top([3, 9, 11], 60)
    plain = Neighbours.of(matrix).top([3, 9, 11], 60)
    wanted = np.zeros(60, dtype=np.float32)
    wanted[plain.items] = plain.scores * scale[plain.items]
    assert sorted(top.items.tolist()) == sorted(plain.items.tolist())
    np.testing.assert_allclose(top.scores, wanted[top.items], rtol=1e-5, atol=1e-6)
    assert (np.diff(top.scores) <= 0).all()


@pytest.mark.parametrize("coded", [False, True])
@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan, np.inf])
def test_a_scale_that_could_let_in_what_is_left_out_is_refused(level: str, coded: bool, wrong: float) -> None:
    scale = np.ones(60, dtype=np.float32)
    scale[7] = wrong
    with pytest.raises(DataError):
        Neighbours.of(made(60, 60, 1.0, 4, coded), scale=scale)


def test_the_scores_are_those_of_the_module(level: str) -> None:
    matrix = made(90, 90, 0.3, 6, False)
    history = torch.zeros(1, 90)
    history[0, [5, 7, 8]] = 1
    top = Neighbours.of(matrix).top([5, 7, 8], 90, [])
    scores: NDArray[np.float32] = matrix(history)[0].detach().numpy()
    assert np.allclose(scores[top.items], top.scores)


@pytest.mark.parametrize("history", [[-1], [8], [2**40], [1.0], [[1]], "x"])
def test_a_history_holds_items_of_the_matrix(level: str, history: Any) -> None:
    neighbours = Neighbours.of(made(40, 8, 0.3, 0, False))
    with pytest.raises(DataError):
        neighbours.top(history, 3)


def test_what_does_not_fit_is_refused(level: str) -> None:
    neighbours = Neighbours.of(made(40, 80, 0.3, 0, False))
    with pytest.raises(DataError, match="leave out"):
        neighbours.top([50], 3)  # known, but no row: nothing that could be left out
    assert len(neighbours.top([50], 3, []).items) == 3
    for wrong in ({"exclude": [40]}, {"weights": [1.0, 2.0]}, {"weights": [np.nan]}):
        with pytest.raises(DataError):
            neighbours.top([1], 3, **wrong)
    for ragged in (([0, 2], [1]), ([1, 0], [1]), ([-1, 0], [1]), ([], [1])):
        with pytest.raises(DataError):
            neighbours.top_of_all(ragged, 3)
    with pytest.raises(DataError):
        neighbours.top_of_all(([0, 1], [1]), 3, ([0, 2], [1]))


def test_only_item_item_matrices_are_taken(level: str) -> None:
    for other in (nn.Linear(3, 3), PackedLinear(Int8Rows.encode(torch.randn(4, 4)), None)):
        with pytest.raises(DataError, match="Catalogue"):
            Neighbours.of(other)  # type: ignore[arg-type]


def test_numbers_too_large_to_add_up_are_refused(level: str) -> None:
    matrix = ItemItem.encode(torch.full((4, 4), 3e38), torch.arange(16))
    with pytest.raises(DataError, match="NaN"):
        Neighbours.of(matrix).top([0, 1, 2], 2, [], weights=[2.0, -2.0, 0.0])


def test_damaged_parts_are_refused(level: str) -> None:
    matrix = made(40, 8, 0.3, 0, False)
    matrix.indices[3] = 8
    with pytest.raises(DataError, match="damaged"):
        Neighbours.of(matrix)
    with pytest.raises(DataError):
        Neighbours.of(made(40, 8, 0.3, 0, False), without=[40])


def test_a_list_is_the_callers_and_no_later_request_changes_it(level: str) -> None:
    neighbours = Neighbours.of(made(300, 300, 0.1, 3, False))
    one = neighbours.top(np.array([4, 9]), 6)
    items, scores = one.items.copy(), one.scores.copy()
    other = neighbours.top(np.array([7]), 6)
    assert one.items.tolist() == items.tolist()
    assert one.scores.tolist() == scores.tolist()
    other.items[:], other.scores[:] = 0, 0
    assert neighbours.top(np.array([4, 9]), 6).items.tolist() == items.tolist()


@pytest.mark.parametrize("k", [1, 3, 5000])
def test_arrays_and_lists_ask_the_same(level: str, k: int) -> None:
    neighbours = Neighbours.of(made(6000, 30, 0.02, 3, False), without=[0])
    for out in (None, [5, 1]):
        asked = [4, 9, 4], k, out
        plain = neighbours.top(*asked)
        found = neighbours.top(np.array([4, 9, 4], dtype=np.int32), k, None if out is None else np.array(out))
        assert type(found) is type(plain)
        assert found.items.tolist() == plain.items.tolist()
        assert found.scores.tolist() == plain.scores.tolist()


@pytest.mark.parametrize("share", [0.004, 0.02, 0.4])
def test_few_entries_and_many_are_added_up_the_same(level: str, share: float) -> None:
    matrix = made(3000, 60, share, 8, False)
    neighbours, rng = Neighbours.of(matrix), np.random.default_rng(1)
    for length in (1, 30, 2, 60, 5):
        history = np.sort(rng.choice(60, length, replace=False))
        items, scores = slow(matrix, history, 25, set(history.tolist()))
        top = neighbours.top(history, 25)
        assert (top.items.tolist(), top.scores.tolist()) == (items, scores)
