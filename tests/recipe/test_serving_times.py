import json

import pytest

from recprune.artifact.speeds import Speeds, Took
from recprune.data.simulate import simulate
from recprune.errors import ArtifactError
from recprune.evaluation.speed import compare_calls
from recprune.recipe.pruned import usual_budget
from recprune.recipe.run import Order, run
from recprune.recipe.serving_times import ServingTimes
from recprune.recipe.shelf import take
from recprune.training.fit import FitOptions

LOG = simulate(30, 20, 300, 3, seed=2, noise=(3,), uniques=0).log
QUICK = FitOptions(epochs=1, patience=1)


def order(model, **more):
    return Order(model, {}, QUICK, QUICK, usual_budget(0.5), rivals=False, k=5, **more)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("recprune.recipe.serving_times.REPEATS", 5)
    monkeypatch.setattr("recprune.recipe.serving_times.SECONDS", 0.0)


@pytest.mark.parametrize("model", ["ease", "fm"])
def test_the_street_ends_with_a_record_of_what_serves_each_model(model, tmp_path):
    result = run(lambda: {"log": LOG}, order(model), tmp_path / "out", source="log")
    assert result.served is not None
    for folder, speeds in (("big", result.served.before), ("small", result.served.after)):
        assert take(tmp_path / "out" / folder).speeds == speeds
        assert set(speeds.took) == {1, 256}
        assert "eager" in speeds.took[1]
    assert ServingTimes.from_json((tmp_path / "out" / "served.json").read_text()) == result.served


def test_what_serves_is_timed_again_only_where_a_model_is_made_again(tmp_path):
    out = tmp_path / "out"
    first = run(lambda: {"log": LOG}, order("ease"), out, source="log").served
    assert run(lambda: {"log": LOG}, order("ease"), out, source="log").served == first
    other = run(lambda: {"log": LOG}, order("ease", seed=1), out, source="log").served
    assert other is not None
    assert take(out / "small").speeds == other.after


def test_nothing_is_timed_where_that_is_not_asked(tmp_path):
    result = run(lambda: {"log": LOG}, order("ease", bench=False), tmp_path / "out", source="log")
    assert result.served is None
    assert take(result.small).speeds is None


def test_one_request_of_both_models_is_timed_in_turns(tmp_path, monkeypatch):
    together = []

    def noted(calls, *args, **how):
        together.append(list(calls))
        return compare_calls(calls, *args, **how)

    monkeypatch.setattr("recprune.recipe.serving_times.compare_calls", noted)
    result = run(lambda: {"log": LOG}, order("ease"), tmp_path / "out", source="log")
    assert together == [[str(tmp_path / "out" / name) for name in ("big", "small")]]
    assert take(tmp_path / "out" / "small").speeds == result.served.after


def speeds(**took):
    rows = {name: Took(median, median, median) for name, median in took.items()}
    return Speeds("0" * 64, "here", {1: rows}, {1: min(took, key=lambda name: took[name])})


def test_the_sentence_tells_both_times_and_by_what():
    found = ServingTimes(speeds(eager=0.5, onnx=0.25), speeds(eager=0.4, kernels=0.05))
    assert found.sentence() == (
        "As `recprune serve` answers, a request takes 0.05 ms (kernels) and took 0.25 ms (onnx): 5 times as fast"
    )


def test_a_file_that_holds_no_record_is_refused():
    text = json.loads(ServingTimes(speeds(eager=1.0), speeds(eager=1.0)).to_json())
    text["after"]["use"] = {"1": "magic"}
    with pytest.raises(ArtifactError, match="no record of speeds"):
        ServingTimes.from_json(json.dumps(text))
