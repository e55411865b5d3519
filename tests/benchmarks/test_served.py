"""How long a request takes in the benchmarks of lists."""

import pytest
import torch
from torch import nn

import recprune
from recprune import Budget
from recprune.encodings.faces import PackedLinear
from recprune.encodings.item_bytes import ItemBytes
from recprune.models.build import build
from recprune.testing import tiny_split
from recprune.tracing.site import Kind

module = pytest.importorskip("benchmarks.served")
SPLIT = tiny_split()


def models():
    whole = build("slim", SPLIT, item_power=0.3)
    whole.refit_(SPLIT.train.histories())
    small = build("slim", SPLIT, item_power=0.3)
    small.refit_(SPLIT.train.histories())
    small.items = PackedLinear(ItemBytes.of(small.items), None)
    return {"slim": whole, "1/3": small}


@pytest.fixture
def only_kernels(monkeypatch):
    plain = module.ways
    monkeypatch.setattr(module, "ways", lambda *of, only: plain(*of, only=["kernels"]))


def test_every_model_is_timed_by_torch_and_by_the_fastest_way(only_kernels):
    found = module.served(models(), SPLIT, 5, repeats=3, seconds=0.0)
    assert found.keys() == {"slim", "1/3"}
    for one in found.values():
        assert one.way in ("eager", "kernels")
        assert one.eager > 0
        assert one.fastest > 0


def test_a_way_that_lists_otherwise_is_not_taken(only_kernels, monkeypatch):
    model = models()["slim"]
    asked = module.requests(SPLIT, 5)
    monkeypatch.setattr("recprune.serving.ways.fast_of", lambda eager, users: Backwards(eager))
    eager, best, way = module.fastest(model, SPLIT, asked)
    assert way == "eager"
    assert best is eager


class Backwards:
    """Lists the worst."""

    by_user, by_history = False, True

    def __init__(self, eager):
        self.n_items, self.eager = eager.n_items, type(eager)(Turned(eager.model), eager.n_items)

    def lists(self, *asked):
        return self.eager.lists(*asked)

    def many(self, *asked):
        return self.eager.many(*asked)


class Turned(nn.Module):
    columns = ("history",)

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        return -self.model(history)


def test_a_table_without_a_time_has_empty_cells():
    assert module.told(None) == [None, None, None]
    assert module.told(module.Served(2.0, 0.1234, "kernels")) == [0.123, "kernels", 2.0]


def test_a_model_whose_items_left_is_asked_in_its_own_codes(only_kernels):
    model = build("sasrec", SPLIT, dim=4, length=5)
    small = recprune.prune(model, SPLIT, budget=Budget(0.15, kinds=frozenset({Kind.ID})), finetuned=False)
    assert small.renumber["item"].max() + 1 < SPLIT.train.n_items
    found = module.served(
        {"whole": model, "small": small.model}, SPLIT, 5, codes={"small": small.renumber}, repeats=3, seconds=0.0
    )
    assert found["small"].eager > 0
