"""What AdamW on the processor cannot train."""

from __future__ import annotations

from torch import nn

from recprune.encodings.faces import Packed
from recprune.errors import TrainingError

__all__ = ["check_place", "check_trainable"]


def check_trainable(model: nn.Module) -> None:
    """Raise TrainingError for a model on another device, packed weights, or tables that give sparse gradients."""
    check_place(model, "the model")
    for name, module in model.named_modules():
        if isinstance(module, Packed):
            raise TrainingError(
                f"{name} is packed, and codes are not trained: fine-tune first and pack then, or train what "
                "recprune.packing.unpack(model) gives",
                module=name,
            )
        if getattr(module, "sparse", False) is True:
            raise TrainingError(f"{name} gives sparse gradients, which AdamW does not take; set its sparse = False")


def check_place(model: nn.Module, which: str) -> None:
    """Raise TrainingError for a model that is not on the processor."""
    places = {parameter.device.type for parameter in model.parameters()} - {"cpu"}
    if places:
        raise TrainingError(f"training runs on the processor and {which} is on {places.pop()}; move it: model.cpu()")
