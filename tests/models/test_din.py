import numpy as np
import pytest
import torch

import recprune
from recprune.data.pasts import with_pasts
from recprune.data.renumbered import renumbered
from recprune.errors import DataError
from recprune.evaluation.inputs import row_inputs
from recprune.models.din import DIN
from recprune.testing import tiny_clicks
from recprune.training.fit import FitOptions, fit


def made():
    torch.manual_seed(0)
    model = DIN(("user",), (4,), 6, dim=3, attention=(5,), hidden=(4,)).eval()
    torch.nn.init.normal_(model.table.weight)
    torch.nn.init.normal_(model.item.weight)
    with torch.no_grad():
        model.item.weight[0] = 0
    return model


def test_each_item_of_the_past_has_its_weight():
    model = made()
    item, past, user = torch.tensor([2, 4]), torch.tensor([[0, 0, 5], [1, 3, 4]]), torch.tensor([1, 3])
    logits = model(item, past, user)
    for row in range(2):
        e, interest = model.item.weight[item[row]], torch.zeros(3)
        for code in past[row]:
            if code:
                h = model.item.weight[code]
                interest = interest + model.attention(torch.cat([e, h, e - h, e * h])[None]).squeeze() * h
        expected = model.tower(torch.cat([interest, e, model.table.weight[user[row]]])[None]).squeeze()
        assert torch.allclose(logits[row], expected, atol=1e-5)


def test_without_a_past_there_is_no_interest_and_padding_says_nothing():
    model = made()
    item, user = torch.tensor([2]), torch.tensor([1])
    assert not model.interest(model.item(item), torch.zeros(1, 4, dtype=torch.int64)).any()
    short, long = torch.tensor([[3, 5]]), torch.tensor([[0, 0, 0, 3, 5]])
    assert torch.allclose(model(item, short, user), model(item, long, user), atol=1e-6)


def test_rows_without_a_past_say_how_to_add_it():
    split = tiny_clicks()
    model = recprune.build("din", split)
    with pytest.raises(DataError, match="with_pasts"):
        fit(model, split, FitOptions(epochs=1))
    with pytest.raises(DataError, match="with_pasts"):
        recprune.evaluate(model, split, "test")


def test_the_past_is_renumbered_with_the_items():
    split = with_pasts(tiny_clicks(), 3)
    model = recprune.build("din", split)
    new = np.r_[0, 0, np.arange(1, split.train.n_items - 1)]
    past = split.train["sequence"]
    assert (row_inputs(model, split.train, slice(None), renumber={"item": new})[1].numpy() == new[past]).all()
    assert (renumbered(split.train, {"item": new})["sequence"] == new[past]).all()


def test_it_is_pruned_from_end_to_end():
    split = with_pasts(tiny_clicks(), 3)
    model = recprune.build("din", split, dim=4, attention=(6,), hidden=(8,))
    fit(model, split, FitOptions(epochs=2, batch=64))
    small = recprune.prune(model, split, factor=0.5, finetuned=False).model
    assert sum(p.numel() for p in small.parameters()) <= 0.5 * sum(p.numel() for p in model.parameters())


def test_the_width_of_the_past_is_that_of_the_rows_and_stays_with_the_model(tmp_path):
    split = with_pasts(tiny_clicks(), 7)
    model = recprune.build("din", split, dim=4, hidden=(8,))
    small = recprune.prune(model, split, factor=0.3, finetuned=False).model
    recprune.save(tmp_path / "small", small)
    assert model.config["length"] == recprune.load(tmp_path / "small").model.config["length"] == 7
    with pytest.raises(DataError, match="--pasts 9"):
        recprune.build("din", split, length=9)


def test_a_model_that_was_stored_without_its_width_is_loaded(tmp_path):
    model = made()
    del model.config["length"]
    recprune.save(tmp_path / "old", model)
    assert recprune.load(tmp_path / "old").model.config["length"] == 50
