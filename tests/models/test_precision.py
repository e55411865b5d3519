"""Every model of histories answers in the precision that it has."""

import pytest
import torch

import recprune
from recprune.errors import DataError
from recprune.testing import tiny_clicks, tiny_split
from recprune.training.fit import FitOptions

NAMES = ("ease", "slim", "item_knn", "spectral", "als", "popularity", "fism", "mixture")


@pytest.mark.parametrize("memory", ["items", "users"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", NAMES)
def test_a_model_of_histories_is_judged_in_any_precision(name, dtype, memory):
    if memory == "users" and name != "mixture":
        pytest.skip("of mixture alone")
    split = tiny_split()
    model = recprune.build(name, split, **({"memory": memory, "dim": 4} if name == "mixture" else {}))
    recprune.fit(model, split, FitOptions(epochs=1, batch=16))
    wanted = recprune.evaluate(model, split).mean["ndcg@20"]
    model = model.to(dtype)
    inputs = torch.tensor([[0.0] + [1.0] * 3 + [0.0] * (split.train.n_items - 4)])
    with torch.no_grad():
        assert name == "popularity" or model(inputs).dtype == dtype  # one number an item, added to what is given
    found = recprune.evaluate(model, split).mean["ndcg@20"]
    assert found == pytest.approx(wanted, abs=1e-6 if dtype is torch.float64 else 0.1)


@pytest.mark.parametrize(("name", "column"), [("mf", "user"), ("neumf", "user"), ("sasrec", "item"), ("ease", "item")])
def test_a_model_of_what_the_data_has_not_is_refused_by_name(name, column):
    split = tiny_clicks() if name in ("neumf",) else tiny_split()

    def without(part):
        columns = {n: v for n, v in part.columns.items() if n != column}
        known = {n: v for n, v in part.vocabularies.items() if n != column}
        return recprune.Dataset(columns, known, part.roles)

    bare = recprune.Split(without(split.train), without(split.valid), without(split.test))
    with pytest.raises(DataError, match=f"the data has no {column}s"):
        recprune.build(name, bare)
