"""Workers that Ray Train has started train one model together."""

import json

import pytest
import torch

from recprune.models.mf import MF
from recprune.testing.data import tiny_split
from recprune.training.fit import FitOptions, fit
from recprune.training.together import joined


def losses(workers=None):
    split = tiny_split()
    torch.manual_seed(0)
    model = MF(split.train.n_users, split.train.n_items, dim=4)
    return [epoch.loss for epoch in fit(model, split, FitOptions(epochs=2, batch=16), workers=workers).history]


def test_two_workers_of_ray_train_learn_what_one_does(ray, tmp_path):
    train = pytest.importorskip("ray.train", reason="ray.train needs pandas and pyarrow: pip install 'ray[train]'")
    from ray.train.torch import TorchTrainer

    def each():
        with joined() as workers:
            found = losses(workers)
            if workers.rank == 0:
                (tmp_path / "said.json").write_text(json.dumps([workers.size, found]))

    run = train.RunConfig(storage_path=str(tmp_path / "runs"))
    TorchTrainer(each, scaling_config=train.ScalingConfig(num_workers=2), run_config=run).fit()
    size, found = json.loads((tmp_path / "said.json").read_text())
    assert size == 2
    assert found == pytest.approx(losses(), abs=1e-5)
