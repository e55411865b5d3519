import numpy as np
import pytest
import torch

from recprune.data.dataset import Histories
from recprune.encodings.faces import PackedEmbedding, PackedLinear
from recprune.encodings.item_bytes import ItemBytes
from recprune.encodings.item_item import ItemItem
from recprune.encodings.pair_bits import PairBits
from recprune.encodings.pair_gaps import PairGaps
from recprune.encodings.product_rows import ProductRows
from recprune.models.build import build
from recprune.packing import pack
from recprune.serving.eager import Eager
from recprune.serving.fast import ByNeighbours, ByRows, recommender_of
from recprune.serving.walks import ByFactors, ByWalks
from recprune.testing import tiny_split

SPLIT = tiny_split()
N = SPLIT.train.n_items


def trained(name, **options):
    model = build(name, SPLIT, seed=3, **options)
    if hasattr(model, "refit_"):
        model.refit_(SPLIT.train.histories())
    return model.eval()


def same(fast, eager, k=6):
    """One by one and all at once, both give the items and scores of torch."""
    histories, rows = SPLIT.train.histories(), np.arange(1, 25)
    codes = np.arange(histories.n_users)
    for with_seen in (False, True):
        items, scores = fast.many(rows, histories, codes, k, with_seen)
        want_items, want = eager.many(rows, histories, codes, k, with_seen)
        np.testing.assert_array_equal(items, want_items)
        np.testing.assert_allclose(scores, want, rtol=1e-4, atol=1e-5)
    for user in rows[:5]:
        history = histories.items[histories.starts[user] : histories.starts[user + 1]].astype(np.int64)
        asked = int(user), history, k, np.concatenate([history, [0, 3]])
        one, other = fast.lists(*asked), eager.lists(*asked)
        assert one.items.tolist() == other.items.tolist()
        np.testing.assert_allclose(one.scores, other.scores, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["mf", "als", "sasrec", "gru4rec", "caser"])
def test_products_of_a_query_and_a_table_are_found_by_rows(name):
    model = trained(name, dim=8)
    fast = recommender_of(model, N, SPLIT.train.n_users)
    assert isinstance(fast, ByRows)
    same(fast, Eager(model, N))


@pytest.mark.parametrize("name", ["item_knn", "slim"])
def test_item_item_entries_are_found_by_neighbours(name):
    model = trained(name)
    fast = recommender_of(model, N)
    assert isinstance(fast, ByNeighbours)
    assert isinstance(model.items, ItemItem)
    same(fast, Eager(model, N))


@pytest.mark.parametrize("packed", [False, True])
def test_entries_whose_scores_are_scaled_are_found_by_neighbours(packed):
    model = trained("slim", item_power=0.5)
    assert float(model.scale.std()) > 0.05
    if packed:
        model.items = PackedLinear(ItemBytes.of(model.items), None)
    fast = recommender_of(model, N)
    assert isinstance(fast, ByNeighbours)
    same(fast, Eager(model, N))


def test_packed_rows_are_served_from_their_codes():
    model = pack(trained("mf", dim=8), {"item.weight": "int8_rows"})
    fast = recommender_of(model, N, SPLIT.train.n_users)
    assert isinstance(fast, ByRows)
    same(fast, Eager(model, N))


@pytest.mark.parametrize(
    ("memory", "packed"),
    [("users", None), ("users", PairBits), ("users", PairGaps), ("items", None), ("items", ItemBytes)],
)
def test_factors_beside_a_memory_are_found_in_one_call(memory, packed):
    model = build("mixture", SPLIT, dim=8, memory=memory, k=9, share=0.7, start="random", seed=3).eval()
    model.start_(SPLIT.train.histories())
    if packed:
        model.items = PackedLinear(packed.of(model.items), None)
        model.item = PackedEmbedding(ProductRows.encode(model.item.weight, m=3), None)
    fast = recommender_of(model, N)
    assert isinstance(fast, ByWalks)
    same(fast, Eager(model, N))


@pytest.mark.parametrize("encoding", [None, "int8_rows", "product_rows", "product_rows(m=5,w=16)"])
def test_factors_of_a_history_are_found_by_rows_that_point_the_same_way(encoding):
    model = build("fism", SPLIT, dim=8, start="random", seed=3).eval()
    if encoding == "int8_rows":
        model = pack(model, {"item.weight": encoding})
    elif encoding:
        model.item = PackedEmbedding(ProductRows.encode(model.item.weight, m=2), None)
    fast = recommender_of(model, N)
    assert isinstance(fast, ByFactors)
    same(fast, Eager(model, N))


def test_a_memory_of_unlike_values_stays_with_torch():
    model = build("mixture", SPLIT, dim=8, memory="users", start="random").eval()
    model.start_(SPLIT.train.histories())
    with torch.no_grad():
        model.items.values.mul_(torch.rand_like(model.items.values) + 0.5)
    assert isinstance(recommender_of(model, N), Eager)


@pytest.mark.parametrize("power", [0.0, 0.5])
def test_a_whole_matrix_is_found_by_neighbours(power):
    model = trained("ease", reg=5.0, item_power=power)
    fast = recommender_of(model, N)
    assert isinstance(fast, ByNeighbours)
    same(fast, Eager(model, N))


def test_a_layer_that_is_not_all_there_is_stays_with_torch():
    model = trained("ease", reg=5.0)
    model.items.register_forward_hook(lambda layer, taken, found: found * torch.linspace(1, 2, N))
    assert isinstance(recommender_of(model, N), Eager)


@pytest.mark.parametrize("name", ["popularity"])
def test_any_other_model_stays_with_torch(name):
    assert isinstance(recommender_of(trained(name), N), Eager)


def test_a_model_that_only_looks_like_a_product_stays_with_torch():
    model = trained("mf", dim=8)
    plain = type(model).forward

    class Twisted(type(model)):
        def forward(self, user):
            return plain(self, user).tanh() * 2

    model.__class__ = Twisted
    with torch.no_grad():
        model.item.weight.mul_(100)
    assert isinstance(recommender_of(model, N, SPLIT.train.n_users), Eager)


def test_a_history_with_items_that_left_and_that_come_twice_counts_them_as_torch_does():
    model = trained("item_knn")
    fast, eager = recommender_of(model, N), Eager(model, N)
    history = np.array([3, 0, 5, 3, 0])
    assert fast.lists(0, history, 5, history).items.tolist() == eager.lists(0, history, 5, history).items.tolist()
    alone = Histories(np.array([0, 5]), history.astype(np.int32), N)
    one, other = (r.many(np.zeros(1, int), alone, np.zeros(1, int), 5, False)[0] for r in (fast, eager))
    assert one.tolist() == other.tolist()
