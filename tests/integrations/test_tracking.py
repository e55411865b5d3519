"""Numbers in MLflow and TensorBoard are those of the comparison and of the plan."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from recprune.artifact import save
from recprune.errors import DataError
from recprune.evaluation.comparison import Comparison, Difference, Side
from recprune.evaluation.speed import Speed
from recprune.importance.probe import Probe
from recprune.importance.rules.magnitude import Magnitude
from recprune.importance.score import score
from recprune.integrations.mlflow import log_to_mlflow
from recprune.integrations.tensorboard import log_to_tensorboard
from recprune.integrations.tracked import numbers_of
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.planning.plan import Plan
from recprune.tracing.trace import survey


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    """MLflow tells child processes by the environment which experiment is theirs."""
    for name in ("MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID", "MLFLOW_TRACKING_URI"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture
def compared():
    sides = {
        "before": Side(100, 60, 640, {"ndcg@20": 0.5, "auc": None}, Speed(2.0, 1.0, 3.0, 1, 1, "cpu", (2.0,))),
        "after": Side(50, 30, 320, {"ndcg@20": 0.25, "auc": None}),
    }
    gone = Difference("ndcg@20", -0.25, 0.01, -0.27, -0.23, 0.005, "worse")
    return Comparison(sides, {"after": (gone,)}, "test", 10, "user", 0, 100, 0.95, {})


@pytest.fixture
def planned():
    torch.manual_seed(0)
    model, inputs = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)), (torch.randn(3, 4),)
    found = survey(model, inputs)
    return choose(found, score(found, Magnitude(), Probe(model, found)), Budget(0.5), rule="their.rules:Magnitude()")


def test_what_is_known_becomes_flat_numbers(compared, planned):
    found = numbers_of(compared, planned)
    assert found["before/ndcg@20"] == 0.5
    assert found["after/bytes"] == 320
    assert found["before/ms_request"] == 2.0
    assert found["difference/ndcg@20"] == -0.25
    assert found["account/parameters_after"] == planned.account().parameters_after
    assert not [name for name in found if name.endswith("/auc") or name == "after/ms_request"]


def test_mlflow_keeps_numbers_texts_and_the_artifact(compared, planned, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setattr("mlflow.tracking.fluent._active_experiment_id", None, raising=False)
    model = save(tmp_path / "small", nn.Sequential(nn.Linear(2, 1)))
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    try:
        mlflow.set_experiment("pruning")
        with mlflow.start_run() as run:
            log_to_mlflow(compared, planned, model)
        client = mlflow.MlflowClient()
        kept = client.get_run(run.info.run_id).data
        assert kept.metrics["after/ndcg_at_20"] == 0.25
        assert kept.metrics["account/share_removed"] == pytest.approx(planned.account().share_removed)
        assert kept.params == {"recprune.rule": "their.rules:Magnitude()", "recprune.budget": "factor 0.5"}
        assert kept.tags["recprune.verdict"].startswith("ndcg@20: worse")
        place = tmp_path / "back"
        place.mkdir()
        said = [
            Path(client.download_artifacts(run.info.run_id, name, str(place))).read_text(encoding="utf-8")
            for name in ("comparison.json", "plan.json")
        ]
        assert Comparison.from_json(said[0]) == compared
        assert Plan.from_json(said[1]) == planned
        names = {entry.path for entry in client.list_artifacts(run.info.run_id, "model")}
        assert names == {"model/manifest.json", "model/weights.safetensors"}
    finally:
        mlflow.set_tracking_uri(before)


def test_mlflow_takes_a_plan_a_step(planned, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setattr("mlflow.tracking.fluent._active_experiment_id", None, raising=False)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    try:
        mlflow.set_experiment("pruning")
        with mlflow.start_run() as run:
            for step, factor in enumerate((0.5, 0.25)):
                log_to_mlflow(plan=replace(planned, budget=Budget(factor)), step=step)
        kept = mlflow.MlflowClient().get_run(run.info.run_id).data
    finally:
        mlflow.set_tracking_uri(before)
    assert kept.params == {}
    assert kept.tags["recprune.rule"] == "their.rules:Magnitude()"
    assert kept.tags["recprune.budget"] == "factor 0.25"


def test_tensorboard_shows_scalars_and_texts(compared, planned, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path) as writer:
        log_to_tensorboard(writer, compared, planned, step=3)
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    tags = events.Tags()
    assert set(tags["scalars"]) == {f"recprune/{name}" for name in numbers_of(compared, planned)}
    (shown,) = events.Scalars("recprune/after/ndcg@20")
    assert (shown.step, shown.value) == (3, 0.25)
    (verdict,) = events.Tensors("recprune/verdict/text_summary")
    assert verdict.tensor_proto.string_val[0].decode() == compared.verdict()


def test_nothing_to_log_is_said():
    with pytest.raises(DataError, match="nothing to log"):
        log_to_mlflow()
    with pytest.raises(DataError, match="nothing to log"):
        log_to_tensorboard(None)
