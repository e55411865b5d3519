"""Places: the cuts of units, beside a slow and obvious way to find them."""

import numpy as np
import pytest

from recprune.tracing.ledger import NEVER, Ledger
from recprune.tracing.places import Places, runs
from recprune.tracing.site import Cut


def test_units_of_one_width_side_by_side_and_units_in_two_pieces_are_cuts():
    ledger = Ledger()
    nodes = ledger.fresh("a:0", "tensor", 3)
    axes = {("a", 0): nodes, ("b", 1): np.repeat(nodes, 2), ("c", 0): np.r_[nodes, NEVER, NEVER, nodes]}
    places = Places(ledger, axes)
    assert list(places.cuts(0, 2)) == [Cut("a", 0), Cut("b", 1, 0, 2), Cut("c", 0), Cut("c", 0, 5)]
    assert places.of(1) == [("a", 0), ("b", 1), ("c", 0)]
    assert list(places.loose(np.array([1]))) == [Cut("a", 0, 1), Cut("b", 1, 2, 2), Cut("c", 0, 1), Cut("c", 0, 6)]


def test_units_at_uneven_distances_or_missing_in_an_axis_are_none():
    ledger = Ledger()
    a, b, c = ledger.fresh("a:0", "tensor", 3)
    places = Places(ledger, {("a", 0): np.array([a, b, c]), ("b", 0): np.array([a, c, b]), ("d", 0): np.array([a, b])})
    assert list(places.cuts(a, c)) == [Cut("a", 0), None, None]


def test_a_position_of_a_product_leaves_with_either():
    ledger = Ledger()
    fields, dims = ledger.fresh("f", "field", 2), ledger.fresh("d", "tensor", 3)
    places = Places(ledger, {("flat", 0): ledger.product(fields, dims)})
    assert list(places.cuts(0, 1)) == [Cut("flat", 0, 0, 3)]
    assert list(places.cuts(2, 4)) == [Cut("flat", 0, 0, 1), Cut("flat", 0, 3, 1)]


@pytest.mark.parametrize("seed", range(20))
def test_joined_and_frozen_nodes_stand_where_a_loop_finds_them(seed: int):
    generator = np.random.default_rng(seed)
    ledger, parent = Ledger(), list(range(40))
    labels = ledger.fresh("a", "tensor", 40)

    def root(node: int) -> int:
        return node if parent[node] == node else root(parent[node])

    frozen: set[int] = set()
    for _ in range(12):
        one, other = (generator.choice(np.r_[labels, NEVER], 3, replace=False) for _ in range(2))
        ledger.merge(one, other, "met")
        for x, y in zip(one.tolist(), other.tolist(), strict=True):
            if NEVER in (x, y):
                frozen |= {root(z) for z in (x, y) if z != NEVER}
        for x, y in zip(one.tolist(), other.tolist(), strict=True):
            if NEVER in (x, y):
                continue
            p, q = root(x), root(y)
            if p in frozen or q in frozen:
                frozen |= {p, q}
            elif p != q:
                parent[max(p, q)] = min(p, q)
    axis = generator.choice(np.r_[labels, NEVER], 60)
    places = Places(ledger, {("t", 0): axis})
    wanted = {n: [i for i, x in enumerate(axis.tolist()) if x != NEVER and root(x) == n] for n in range(40)}
    wanted = {n: at for n, at in wanted.items() if at and n not in frozen}
    assert places.nodes.tolist() == sorted(wanted)
    for node, at in wanted.items():
        assert [(c.start, c.width) for c in places.loose(np.array([node]))] == runs(np.array(at))
    assert ledger.live(axis) == bool(wanted)
