"""usual_options: what a model of its family is trained by where nothing else is said."""

from dataclasses import replace

import pytest
import torch

import recprune
from recprune.data.dataset import Split
from recprune.errors import TrainingError
from recprune.testing import tiny_clicks, tiny_split
from recprune.training.usual import FAMILIES, TUNING, changed, seed_of, settled, settled_tuning, usual_tuning

FAMILY = {
    "deepfm": "clicks",
    "fm": "ratings",
    "fism": "histories",
    "ultragcn": "constraints",
    "sasrec": "positions",
    "caser": "sequences",
    "mf": "pairs",
    "lightgcn": "graph",
}


def of(name):
    split = tiny_clicks() if name in ("deepfm", "fm") else tiny_split()
    model = recprune.build(name, split, seed=0)
    return model, split if name != "fm" else rated(split)


def rated(split):
    parts = {part: getattr(split, part) for part in ("train", "valid", "test")}
    columns = {n: {"rating" if c == "label" else c: v for c, v in p.columns.items()} for n, p in parts.items()}
    return Split(**{n: replace(p, columns=columns[n]) for n, p in parts.items()})


@pytest.mark.parametrize("name", FAMILY)
def test_each_family_has_its_own(name):
    model, split = of(name)
    found = recprune.usual_options(model, split)
    said = FAMILIES[FAMILY[name]]
    assert found == replace(recprune.FitOptions(), patience=found.epochs, **said)
    assert found.schedule == "linear"
    assert found == recprune.usual_options(model, split.train)
    assert found != recprune.FitOptions()


def test_a_loss_that_is_said_tells_the_family():
    model, split = of("sasrec")
    found = recprune.usual_options(model, split, loss="bpr")
    assert found == replace(recprune.FitOptions(loss="bpr", patience=12), **FAMILIES["sequences"])


def test_what_is_solved_has_none():
    model, split = of("popularity")
    assert recprune.usual_options(model, split, reg=3.0) == recprune.FitOptions(reg=3.0)


def test_what_is_said_goes_before_and_is_checked():
    model, split = of("deepfm")
    found = recprune.usual_options(model, split, epochs=2, l2=0.0)
    assert found == replace(recprune.usual_options(model, split), epochs=2, patience=2, l2=0.0)
    assert recprune.usual_options(model, split, epochs=2, patience=1).patience == 1
    with pytest.raises(TrainingError, match="no training option 'step'; there are: batch,"):
        recprune.usual_options(model, split, step=1)
    with pytest.raises(TrainingError, match="lr must be above 0"):
        recprune.usual_options(model, split, lr=-1.0)


def test_fine_tuning_takes_fewer_epochs():
    model, split = of("sasrec")
    found = usual_tuning(model, split, seed=3)
    assert found == recprune.usual_options(model, split, epochs=TUNING, seed=3)
    assert settled_tuning(model, split, {"seed": 3}) == found
    assert settled_tuning(model, split, None) == usual_tuning(model, split)
    given = recprune.FitOptions(lr=0.5)
    assert settled_tuning(model, split, given) is given


def test_clicks_are_fine_tuned_by_half_the_step_size():
    model, split = of("deepfm")
    found, usual = usual_tuning(model, split), recprune.usual_options(model, split, epochs=TUNING)
    assert found == replace(usual, lr=usual.lr / 2)
    assert usual_tuning(model, split, lr=0.3).lr == 0.3
    assert usual_tuning(model, split.train) == found


def test_fit_takes_them_where_none_are_given():
    model, split = of("deepfm")
    other, _ = of("deepfm")
    recprune.fit(model, split)
    recprune.fit(other, split, recprune.usual_options(other, split))
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, other.state_dict()[name]), name


def test_options_that_are_given_stay_as_they_are():
    model, split = of("deepfm")
    given = recprune.FitOptions(epochs=3, seed=4)
    assert settled(model, split, given) is given
    assert settled(model, split, {"epochs": 3}) == recprune.usual_options(model, split, epochs=3)
    assert changed(given, seed=5) == replace(given, seed=5)
    assert changed({"epochs": 3}, seed=5) == {"epochs": 3, "seed": 5}
    assert changed(None, seed=5) == {"seed": 5}
    assert [seed_of(one) for one in (given, {"seed": 5}, {}, None)] == [4, 5, 0, 0]
