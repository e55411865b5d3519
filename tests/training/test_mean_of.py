import pytest
import torch

from recprune.errors import TrainingError
from recprune.evaluation.inputs import example
from recprune.models.build import build
from recprune.testing.data import tiny_clicks, tiny_split
from recprune.training.fit import FitOptions, fit
from recprune.training.mean_of import MeanOf


def test_the_mean_of_models_is_the_mean_of_their_scores():
    split = tiny_clicks()
    models = [build("deepfm", split, seed=s, dim=4, hidden=(8,)).eval() for s in range(3)]
    inputs = example(models[0], split, 20)
    with torch.no_grad():
        wanted = sum(model(*inputs) for model in models) / 3
        assert torch.allclose(MeanOf(models)(*inputs), wanted, atol=1e-6)
    assert MeanOf.of(models[:1]) is models[0]
    assert isinstance(MeanOf.of(models), MeanOf)


def test_models_may_take_their_columns_in_another_order_and_look_back_less_far():
    split = tiny_split()
    long, short = build("sasrec", split, length=5, dim=8).eval(), build("gru4rec", split, length=3, dim=8).eval()
    both = MeanOf([short, long])
    assert both.length == 5
    (sequence,) = example(both, split, 6)
    with torch.no_grad():
        wanted = (long(sequence) + short(sequence[:, -3:])) / 2
        assert torch.allclose(both(sequence), wanted, atol=1e-6)
    rows = tiny_clicks()
    one = build("fm", rows, dim=4).eval()
    turned = build("fm", rows, dim=4).eval()
    inputs = example(one, rows, 4)
    turned.columns = one.columns[::-1]
    turned.forward = lambda *x: one(*x[::-1])
    with torch.no_grad():
        assert torch.allclose(MeanOf([one, turned])(*inputs), one(*inputs), atol=1e-6)


def test_models_of_other_columns_have_no_mean():
    with pytest.raises(TrainingError, match="a mean of no models"):
        MeanOf([])
    split = tiny_split()
    with pytest.raises(TrainingError, match="no mean of models that take sequence and user"):
        MeanOf([build("sasrec", split, length=3, dim=8), build("mf", split, dim=4)])


def test_a_model_learns_from_several_what_one_alone_does_not_know():
    split = tiny_split()
    teachers = [build("mf", split, seed=seed, dim=8) for seed in range(2)]
    for seed, teacher in enumerate(teachers):
        fit(teacher, split, FitOptions(epochs=6, batch=16, lr=0.02, patience=6, k=3, seed=seed))
    mean = MeanOf(teachers)
    pupil = build("mf", split, seed=5, dim=8)
    fit(
        pupil,
        split,
        FitOptions(epochs=30, batch=16, lr=0.02, patience=30, k=3, loss="softmax", distill=1.0),
        teacher=mean,
    )
    (users,) = example(pupil, split, 12)
    with torch.no_grad():
        told, said = (torch.softmax(model(users), 1) for model in (mean, pupil))
        other = torch.softmax(build("mf", split, seed=5, dim=8)(users), 1)
    assert (told - said).abs().sum() < 0.5 * (told - other).abs().sum()
