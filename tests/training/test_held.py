import copy
import dataclasses

import pytest
import torch

from recprune.errors import TrainingError
from recprune.models.mf import MF
from recprune.testing.data import tiny_split
from recprune.training.fit import FitOptions, fit
from recprune.training.held import held

OPTIONS = FitOptions(epochs=3, batch=32, lr=0.02, patience=3, threads=1)
KEPT = {"item.weight": torch.tensor([4, 5, 9, 60]), "user.weight": torch.arange(8, 40)}


def zeros(model):
    return {name: torch.nonzero(dict(model.named_parameters())[name].flatten() == 0).flatten() for name in KEPT}


def test_what_is_held_stays_zero_and_the_rest_is_trained():
    torch.manual_seed(0)
    split, model = tiny_split(), MF(25, 17, 4)
    before, names = copy.deepcopy(model), list(model.state_dict())
    with held(model, KEPT):
        fit(model, split, OPTIONS)
    for name, positions in KEPT.items():
        table, old = (dict(m.named_parameters())[name].flatten() for m in (model, before))
        assert torch.equal(torch.nonzero(table).flatten(), positions)
        assert (table[positions] != old[positions]).all()
    assert list(model.state_dict()) == names
    assert type(model.item) is torch.nn.Embedding
    assert not torch.equal(model.bias, before.bias)


def test_entries_are_let_go_when_training_breaks_off_and_it_can_go_on(tmp_path):
    torch.manual_seed(0)
    split, whole = tiny_split(), MF(25, 17, 4)
    first, resumed = copy.deepcopy(whole), copy.deepcopy(whole)
    saved = dataclasses.replace(OPTIONS, checkpoint=tmp_path / "state")
    with held(whole, KEPT):
        fit(whole, split, OPTIONS)

    def stop(epoch):
        raise InterruptedError

    with pytest.raises(InterruptedError), held(first, KEPT):
        fit(first, split, saved, progress=stop)
    assert type(first.item) is torch.nn.Embedding
    with held(resumed, KEPT):
        fit(resumed, split, saved)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


def test_a_name_that_no_or_two_modules_have_is_refused():
    model = MF(5, 5, 2)
    with pytest.raises(TrainingError, match=r"item\.weight"), held(model, {"items.weight": torch.tensor([0])}):
        pass
    model.item.weight = model.user.weight
    with pytest.raises(TrainingError, match="one tensor"), held(model, {"item.weight": torch.tensor([0])}):
        pass
