import pytest

from recprune.errors import TrainingError
from recprune.models.build import build
from recprune.testing import tiny_clicks, tiny_split
from recprune.training.fit import FitOptions, fit
from recprune.training.together import Alone


def trained(name, **options):
    split = tiny_clicks() if name == "deepfm" else tiny_split()
    return fit(build(name, split), split, FitOptions(epochs=2, batch=64, **options))


@pytest.mark.parametrize(("name", "metric"), [("mf", "ndcg@0"), ("deepfm", "rmse"), ("deepfm", "ndcg@3")])
def test_a_metric_of_other_models_is_refused_before_training(name, metric, monkeypatch):
    monkeypatch.setattr(Alone, "measured", lambda *_: pytest.fail("it trained"))
    with pytest.raises(TrainingError, match="no metric") as error:
        trained(name, metric=metric)
    assert error.value.metric == metric


def test_a_metric_says_how_long_its_lists_are():
    said, by_k = trained("mf", metric="ndcg@05", k=20), trained("mf", metric="ndcg", k=5)
    assert said.metric == by_k.metric == "valid ndcg@5"
    assert [epoch.value for epoch in said.history] == [epoch.value for epoch in by_k.history]


@pytest.mark.parametrize(
    ("name", "metric"), [("mf", "coverage"), ("mf", "tail_recall@3"), ("deepfm", "logloss"), ("deepfm", "f1")]
)
def test_every_sort_of_model_is_judged_by_its_metrics(name, metric):
    assert trained(name, metric=metric).history[-1].value is not None
