import json

from recprune.training.state import Epoch, Fit


def test_two_trainings_in_a_row_are_one_with_the_epochs_numbered_on():
    one = Fit((Epoch(1, 0.5, 0.2, 1.0), Epoch(2, 0.4, 0.3, 1.0)), 2, 2.5, "valid auc")
    other = Fit((Epoch(1, 0.3, 0.4, 1.0), Epoch(2, 0.2, 0.1, 1.0)), 1, 2.0, "valid auc")
    both = one.then(other)
    assert [(e.number, e.loss) for e in both.history] == [(1, 0.5), (2, 0.4), (3, 0.3), (4, 0.2)]
    assert (both.best_epoch, both.seconds, both.metric) == (3, 4.5, "valid auc")
    assert Fit((), 0, 0.5).then(one) == Fit(one.history, 2, 3.0, "valid auc")


def test_a_later_training_that_bettered_nothing_leaves_the_best_epoch_of_the_first():
    one = Fit((Epoch(1, 0.5, 0.3, 1.0), Epoch(2, 0.4, 0.2, 1.0)), 1, 2.5, "valid auc")
    assert one.then(Fit((Epoch(1, 0.3, 0.1, 1.0),), 0, 1.0, "valid auc")).best_epoch == 1
    assert Fit((), 0, 0.5).then(Fit((Epoch(1, 0.3, 0.1, 1.0),), 0, 1.0)).best_epoch == 0


def test_a_fit_comes_back_from_plain_data():
    fit = Fit((Epoch(1, 0.1 + 0.2, None, 1 / 3),), 1, 0.7, "")
    assert Fit.from_dict(json.loads(json.dumps(fit.to_dict()))) == fit
