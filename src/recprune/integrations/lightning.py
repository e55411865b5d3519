"""ShrinkCallback: prune while Lightning trains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recprune.errors import TrainingError
from recprune.integrations.needed import needed
from recprune.integrations.shrinker import Shrinker

if TYPE_CHECKING:
    from lightning.pytorch import Callback, LightningModule, Trainer
else:
    Callback = needed("lightning.pytorch", "lightning").Callback

__all__ = ["ShrinkCallback"]


class ShrinkCallback(Callback):
    """Cuts the network of a LightningModule after the epochs that a `Shrinker` says.

    network: the attribute that holds it, "model" or "tower.deep": that module is replaced by a smaller one, and all
    optimizers of the trainer go on with it. What the module says to its logger and how it trains stays its own affair.
    Several processes (DDP, FSDP) hold buckets of the old shapes and are refused with TrainingError, as is an attribute
    that there is not.

    >>> shrink = ShrinkCallback(Shrinker(0.8, example, at=(2, 4, 6)), network="model")
    >>> Trainer(max_epochs=10, callbacks=[shrink]).fit(module, loader)
    """

    def __init__(self, shrinker: Shrinker, network: str = "model") -> None:
        super().__init__()
        self.shrinker = shrinker
        self.network = network

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Cut where it is time."""
        if trainer.world_size > 1:
            raise TrainingError(f"a model is cut in one process, not in {trainer.world_size}: train with devices=1")
        path, _, name = self.network.rpartition(".")
        try:
            network = pl_module.get_submodule(self.network)
        except AttributeError as error:
            raise TrainingError(f"the module has no network {self.network!r}: {error}", network=self.network) from error
        small = self.shrinker(network, *trainer.optimizers, done=trainer.current_epoch + 1)
        if small is not network:
            setattr(pl_module.get_submodule(path), name, small)
