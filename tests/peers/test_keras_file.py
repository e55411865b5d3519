"""A .keras file comes in, is pruned, is saved, and comes back with the same answers."""

import importlib
import importlib.util
import sys
from pathlib import Path

import pytest
import torch

import recprune
from recprune.surgery import shrink_inputs

sys.path.append(str(Path(__file__).parents[2]))
peers = importlib.import_module("benchmarks.peers_keras")


@pytest.mark.parametrize("name", ["DCNv2", "DLRM", "deep and batch norm", "NeuMF", "two towers"])
def test_a_keras_file_is_pruned_and_comes_back_equal(name: str, tmp_path: Path):
    if importlib.util.find_spec("keras") is None or importlib.util.find_spec("keras_rs") is None:
        pytest.skip("keras and keras-rs are not installed")
    keras = peers.keras_on_torch()
    made, (ids,) = (peers.KERAS | peers.KERAS_RS)[name]()
    made.save(tmp_path / "large.keras")
    model, example = keras.saving.load_model(tmp_path / "large.keras"), (ids,)
    found = recprune.survey(model, example)
    scores = {site.name: torch.rand(site.size) for site in found.sites}
    plan = recprune.choose(found, scores, recprune.Budget(0.3))
    small = recprune.apply(model, plan, example)
    small.save(tmp_path / "small.keras")
    again = keras.saving.load_model(tmp_path / "small.keras")
    assert sum(p.numel() for p in again.parameters()) == plan.account().parameters_after
    inputs = shrink_inputs(plan, example)[0]
    assert torch.equal(again(inputs), small(inputs))
