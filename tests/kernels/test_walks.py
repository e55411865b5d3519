"""Factors beside a memory, beside torch and beside a loop over all walks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from recprune import dispatch
from recprune.dispatch import LEVELS
from recprune.encodings.faces import Packed, PackedEmbedding
from recprune.encodings.int8_rows import Int8Rows
from recprune.encodings.item_bytes import ItemBytes
from recprune.encodings.item_item import ItemItem
from recprune.encodings.pair_bits import PairBits
from recprune.encodings.pair_gaps import PairGaps
from recprune.encodings.pairs import Pairs
from recprune.encodings.product_rows import ProductRows
from recprune.errors import DataError
from recprune.kernels.walks import Walks

many_levels = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
HOW: dict[str, float] = {"temperature": 0.1, "share": 0.6}


def factors(items: int, dim: int, seed: int, kind: str = "floats") -> nn.Module:
    torch.manual_seed(seed)
    table = nn.Embedding(items, dim).requires_grad_(False)
    codes: Any = {"bytes": Int8Rows, "words": ProductRows}.get(kind)
    return table if codes is None else PackedEmbedding(codes.encode(table.weight), None)


def pairs(users: int, items: int, share: float, seed: int, value: float = 1.0) -> ItemItem:
    kept = np.flatnonzero(np.random.default_rng(seed).random(users * items) < share)
    return ItemItem.encode(torch.full((users, items), value), torch.from_numpy(kept if len(kept) else np.array([0])))


def wanted(table: Any, memory: Any, history: list[int], *, walks: bool) -> Tensor:
    """(items,) by dense matrices in float64."""
    weight, matrix = table.weight.detach().double(), memory.dense().detach().double()
    once = torch.zeros(len(weight), dtype=torch.float64)
    once[history] = 1
    query = F.normalize(once @ weight, dim=0)
    likely = torch.softmax(F.normalize(weight, dim=1) @ query / HOW["temperature"], 0)
    if walks:
        seen = (matrix > 0).double()
        to_users = seen / seen.sum(0).clamp(min=1)
        to_items = seen / seen.sum(1, keepdim=True).clamp(min=1)
        steps = to_users.T @ to_items
        near = once @ (steps - torch.diag(steps.diag()))
        for item in history:  # what comes back to another item of the history counts
            assert steps[item, item] >= 0
    else:
        near = matrix @ once
    return torch.log(likely + HOW["share"] * near / near.sum().clamp(min=1e-20) + 1e-20)


def same(top: Any, scores: Tensor, out: Any, k: int) -> None:
    left = scores.clone()
    left[list(out)] = -torch.inf
    best = left.topk(min(k, int((left > -torch.inf).sum())))
    assert len(top.items) == len(best.values)
    shares = best.values.exp()  # what is taken off again leaves the rounding of float32
    np.testing.assert_allclose(np.exp(top.scores), shares, rtol=5e-5, atol=2e-7)
    np.testing.assert_allclose(left[top.items.tolist()].exp(), shares, rtol=5e-5, atol=2e-7)
    assert len(set(top.items.tolist())) == len(top.items)


@many_levels
@given(
    items=st.sampled_from([1, 2, 15, 16, 17, 40, 300]),
    users=st.integers(1, 30),
    dim=st.sampled_from([1, 3, 16, 20]),
    share=st.sampled_from([0.0, 0.05, 0.5]),
    seed=st.integers(0, 999),
    k=st.integers(1, 30),
    kind=st.sampled_from(["floats", "bytes", "words"]),
    packed=st.sampled_from([None, PairBits, PairGaps]),
)
def test_it_lists_what_dense_matrices_list(
    level: str, items: int, users: int, dim: int, share: float, seed: int, k: int, kind: str, packed: type[Pairs] | None
) -> None:
    rng = np.random.default_rng(seed)
    table, memory = factors(items, dim, seed, kind), pairs(users, items, share, seed)
    held = packed.of(memory) if packed and len(memory.values) else memory
    history, out = rng.integers(0, items, rng.integers(0, 8)), rng.integers(0, items, rng.integers(0, 5))
    top = Walks.over_users(table, held, **HOW).top(history, k, out)
    same(top, wanted(table, memory, history.tolist(), walks=True), out, k)


@many_levels
@given(seed=st.integers(0, 999), coded=st.booleans(), kind=st.sampled_from(["floats", "words"]))
def test_entries_that_lead_to_items_are_added_up(level: str, seed: int, coded: bool, kind: str) -> None:
    rng = np.random.default_rng(seed)
    table, stays = factors(70, 12, seed, kind), pairs(70, 70, 0.1, seed)
    stays.values.data.copy_(torch.from_numpy(rng.random(len(stays.values)).astype(np.float32)))
    matrix = ItemBytes.of(stays) if coded else stays
    history = rng.integers(0, 70, 5)
    top = Walks.over_entries(table, matrix, **HOW).top(history, 12)
    same(top, wanted(table, matrix, history.tolist(), walks=False), set(history.tolist()), 12)


def test_every_level_lists_the_same_to_the_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for level in (one for one in LEVELS if one in dispatch._there()):
        monkeypatch.setenv("RECPRUNE_KERNELS", level)
        for kind in ("floats", "words"):
            walks = Walks.over_users(factors(500, 20, 4, kind), pairs(60, 500, 0.03, 4), **HOW)
            found.append((kind, walks.top([3, 77, 410], 30)))
    for kind, top in found:
        first = next(other for name, other in found if name == kind)
        assert top.items.tolist() == first.items.tolist()
        assert top.scores.tolist() == first.scores.tolist()


@pytest.mark.parametrize("kind", ["floats", "words"])
def test_all_users_get_what_each_gets(level: str, kind: str) -> None:
    walks = Walks.over_users(factors(120, 8, 1, kind), pairs(40, 120, 0.1, 1), **HOW, without=[0])
    rng = np.random.default_rng(5)
    histories = [rng.integers(0, 120, rng.integers(0, 12)) for _ in range(20)]
    starts = np.concatenate([[0], np.cumsum([len(one) for one in histories])])
    ragged = starts, np.concatenate(histories)
    mine, nothing = walks.top_of_all(ragged, 9), walks.top_of_all(ragged, 9, (np.zeros(21, dtype=np.int64), []))
    for user, history in enumerate(histories):
        assert mine.items[user].tolist() == walks.top(history, 9).items.tolist()
        assert mine.scores[user].tolist() == walks.top(history, 9).scores.tolist()
        assert nothing.items[user].tolist() == walks.top(history, 9, []).items.tolist()
    assert not np.isin(mine.items, [0, -1]).any()


@pytest.mark.parametrize("users", [13, 29, 30])
def test_what_rounding_leaves_of_a_walk_that_came_back_is_no_walk(level: str, users: int) -> None:
    table, memory = factors(1, 3, 0), pairs(users, 1, 0.9, 0)
    top = Walks.over_users(table, memory, **HOW).top([0], 1, [])
    assert top.scores.tolist() == [0.0]


def test_an_item_that_comes_twice_counts_once(level: str) -> None:
    walks = Walks.over_users(factors(30, 8, 1), pairs(20, 30, 0.2, 1), **HOW)
    one, two = walks.top([4, 9], 20), walks.top([9, 4, 9], 20)
    assert one.items.tolist() == two.items.tolist()
    assert one.scores.tolist() == two.scores.tolist()


def test_equal_scores_stand_by_item_number(level: str) -> None:
    table = nn.Embedding(50, 4)
    table.weight.data.fill_(0.5)
    walks = Walks.over_users(table, pairs(3, 50, 0.0, 0), **HOW, without=[0])
    assert walks.top([30], 5).items.tolist() == [1, 2, 3, 4, 5]


def test_where_everything_is_left_out_nothing_is_listed(level: str) -> None:
    walks = Walks.over_users(factors(40, 4, 0), pairs(9, 40, 0.2, 0), **HOW)
    assert len(walks.top([1, 2], 5, np.arange(40)).items) == 0
    many = walks.top_of_all(([0, 1], [3]), 3, ([0, 39], np.arange(39)))
    assert many.items.tolist() == [[39, -1, -1]]
    assert many.scores[0, 1:].tolist() == [-np.inf, -np.inf]


def test_one_request_leaves_nothing_for_the_next(level: str) -> None:
    walks = Walks.over_users(factors(300, 8, 2, "words"), pairs(50, 300, 0.1, 2), **HOW)
    first = walks.top([1, 2, 3], 20)
    walks.top(np.arange(300), 20, [])
    again = walks.top([1, 2, 3], 20)
    assert first.items.tolist() == again.items.tolist()
    assert first.scores.tolist() == again.scores.tolist()


def test_pairs_that_are_zero_do_not_count(level: str) -> None:
    table, memory = factors(30, 4, 3), pairs(8, 30, 0.4, 3)
    rows = memory.rows()
    memory.values.data[rows < 3] = 0
    fewer = ItemItem.encode(memory.dense(), memory.dense().flatten().nonzero().squeeze(1))
    one, other = (Walks.over_users(table, held, **HOW).top([5, 6], 20) for held in (memory, fewer))
    assert one.items.tolist() == other.items.tolist()
    assert one.scores.tolist() == other.scores.tolist()


def test_what_does_not_go_together_is_refused(level: str) -> None:
    unlike = pairs(5, 20, 0.3, 0)
    unlike.values.data[0] = 2.0
    with pytest.raises(DataError, match="alike"):
        Walks.over_users(factors(20, 4, 0), unlike, **HOW)
    with pytest.raises(DataError, match="factors of 9 items"):
        Walks.over_users(factors(9, 4, 0), pairs(5, 20, 0.3, 0), **HOW)
    with pytest.raises(DataError, match="ItemItem, PairBits or PairGaps"):
        Walks.over_users(factors(20, 4, 0), Packed(Int8Rows.encode(torch.ones(5, 20))), **HOW)
    broken = factors(20, 4, 0)
    broken.weight.data[3, 1] = torch.nan  # type: ignore[union-attr, operator]
    with pytest.raises(DataError):
        Walks.over_users(broken, pairs(5, 20, 0.3, 0), **HOW)
    with pytest.raises(DataError):
        Walks.over_users(factors(20, 4, 0), pairs(5, 20, 0.3, 0), temperature=0.0, share=1.0)


@pytest.mark.parametrize(("history", "out"), [([20], None), ([-1], None), ([1], [20]), ([1], [-1])])
def test_items_that_there_are_not_are_refused(level: str, history: list[int], out: list[int] | None) -> None:
    walks = Walks.over_users(factors(20, 4, 0), pairs(5, 20, 0.3, 0), **HOW)
    with pytest.raises(DataError):
        walks.top(history, 3, out)


def test_a_list_is_the_callers_and_no_later_request_changes_it(level: str) -> None:
    walks = Walks.over_users(factors(60, 8, 2), pairs(20, 60, 0.1, 2), **HOW)
    one = walks.top(np.array([4, 9]), 6)
    kept = one.items.tolist(), one.scores.tolist()
    other = walks.top(np.array([7]), 6)
    other.items[:], other.scores[:] = 0, 0
    assert (one.items.tolist(), one.scores.tolist()) == kept
    assert walks.top([4, 9], 6).items.tolist() == kept[0]
