import numpy as np
import torch

import recprune
from recprune.artifact.reading import load
from recprune.artifact.writing import save
from recprune.data.dataset import Histories
from recprune.models.item_knn import ItemKnn
from recprune.testing import tiny_split
from recprune.training.fit import FitOptions, fit

DATA = Histories(
    np.array([0, 0, 3, 5, 7, 9]), np.array([1, 2, 3, 1, 2, 1, 3, 1, 0], dtype=np.int32), 5
)  # {1 2 3} {1 2} {1 3} {1 0}


def test_similarities_are_shrunk_cosines_worked_by_hand():
    model = ItemKnn(5, k=4, shrink=1.0)
    model.refit_(DATA)
    wanted = torch.zeros(5, 5)
    wanted[1, 2] = wanted[2, 1] = wanted[1, 3] = wanted[3, 1] = 2 / (8**0.5 + 1)
    wanted[2, 3] = wanted[3, 2] = 1 / (2 + 1)
    assert torch.allclose(model.items.dense(), wanted)
    assert torch.allclose(model(torch.tensor([[0.0, 1, 0, 1, 0]])), wanted[:, [1, 3]].sum(1)[None])


def test_of_every_item_the_nearest_stay_and_no_zero_is_held():
    model = ItemKnn(5, k=1, shrink=0.0)
    model.refit_(DATA)
    assert model.items.indptr.tolist() == [0, 0, 1, 2, 3, 3]
    assert model.items.indices.tolist() == [2, 1, 1]
    assert model.config == {"n_items": 5, "k": 1, "shrink": 0.0, "entries": 3}
    assert ItemKnn(**model.config).items.values.shape == (3,)


def test_fit_learns_and_takes_the_shrinkage_from_reg():
    split = tiny_split(users=60)
    model = recprune.build("item_knn", split, k=5)
    fit(model, split, FitOptions(reg=3.0))
    assert model.config["shrink"] == 3.0
    other = recprune.build("popularity", split)
    fit(other, split)
    first, second = (recprune.evaluate(m, split, "test", k=3).mean["recall@3"] for m in (model, other))
    assert first > second


def test_entries_leave_exactly_and_those_that_stay_are_found_again():
    split = tiny_split(users=60)
    model = recprune.build("item_knn", split)
    fit(model, split)
    small = recprune.prune(model, split, factor=0.5, finetuned=False).model
    values, indices = small.items.values.detach().clone(), small.items.indices.clone()
    assert len(values) == len(model.items.values) // 2
    small.items.values.data.zero_()
    small.refit_(split.train.histories())
    assert torch.equal(small.items.indices, indices)
    assert torch.allclose(small.items.values, values)


def test_a_stored_model_scores_the_same(tmp_path):
    split = tiny_split()
    model = recprune.build("item_knn", split, k=3)
    fit(model, split)
    save(tmp_path / "a", model)
    history = torch.from_numpy(split.train.histories().dense(np.arange(4)))
    with torch.no_grad():
        assert torch.equal(load(tmp_path / "a").model(history), model(history))


def test_entries_whose_items_nobody_has_any_more_are_0_without_shrinking():
    split = tiny_split()
    model = recprune.build("item_knn", split, k=5, shrink=0.0)
    fit(model, split)
    small = recprune.prune(model, split, factor=0.5)
    code = int(small.model.items.rows()[0])
    less = recprune.Split(split.train.take(split.train["item"] != code), split.valid, split.test)
    fit(small.model, less)
    assert not bool(small.model.items.dense()[code].any())
    recprune.evaluate(small.model, less, renumber=small.renumber)
