"""The callback in a real Trainer."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

pytest.importorskip("lightning")
from lightning.pytorch import LightningModule, Trainer, seed_everything

from recprune.errors import TrainingError
from recprune.integrations.lightning import ShrinkCallback
from recprune.integrations.shrinker import Shrinker


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.user, self.deep = nn.Embedding(10, 16), nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, user):
        return self.deep(self.user(user)).squeeze(1)


class Module(LightningModule):
    def __init__(self):
        super().__init__()
        self.model = Net()
        self.sizes = []

    def training_step(self, batch, _):
        user, target = batch
        return nn.functional.mse_loss(self.model(user), target)

    def on_train_epoch_start(self):
        self.sizes.append(sum(p.numel() for p in self.model.parameters()))

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=0.01)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.9)]


def trained(tmp_path, callback, epochs=4):
    seed_everything(0)
    users = torch.arange(10)
    module = Module()
    trainer = Trainer(
        max_epochs=epochs,
        callbacks=[callback],
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(module, DataLoader(TensorDataset(users, (users % 2).float()), batch_size=5))
    return module, trainer


def test_the_network_gets_smaller_between_epochs_and_the_optimizer_goes_on(tmp_path):
    shrinker = Shrinker(0.6, (torch.arange(3),), at=(1, 3))
    module, trainer = trained(tmp_path, ShrinkCallback(shrinker))
    assert module.sizes[0] > module.sizes[1] == module.sizes[2] > module.sizes[3]
    assert module.sizes[3] <= 0.4 * module.sizes[0]
    assert shrinker.met
    optimizer = trainer.optimizers[0]
    assert [id(p) for p in optimizer.param_groups[0]["params"]] == [id(p) for p in module.parameters()]
    assert all(int(state["step"]) == 8 for state in optimizer.state.values())
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * 0.9**4)


def test_a_network_that_is_not_there_is_named(tmp_path):
    with pytest.raises(TrainingError, match="towers"):
        trained(tmp_path, ShrinkCallback(Shrinker(0.5, (torch.arange(3),), at=(1,)), network="towers"), 1)
