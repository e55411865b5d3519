"""What AdamW cannot train, and where it trains."""

from __future__ import annotations

import torch
from torch import nn

from recprune.encodings.faces import Packed
from recprune.encodings.item_item import ItemItem
from recprune.errors import TrainingError

__all__ = ["check_place", "check_trainable", "place_of"]


def check_trainable(model: nn.Module) -> None:
    """Raise TrainingError for a model in several places, packed weights, tables that give sparse gradients, and for one
    that is not solved in closed form and has nothing to train, or numbers too short for it."""
    place_of(model)
    if not hasattr(model, "refit_"):
        _check_numbers(model)
    for name, module in model.named_modules():
        if isinstance(module, Packed):
            raise TrainingError(
                f"{name} is packed, and codes are not trained: fine-tune first and pack then, train what "
                "recprune.packing.unpack(model) gives, or let recprune.recipe.tuned.tuned do all of that",
                module=name,
            )
        if getattr(module, "sparse", False) is True:
            raise TrainingError(f"{name} gives sparse gradients, which AdamW does not take; set its sparse = False")


def _check_numbers(model: nn.Module) -> None:
    learned = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    if not learned:
        raise TrainingError(
            f"{type(model).__name__} has no parameter to train: set requires_grad_(True) on those that are to learn"
        )
    halves = [name for name, parameter in learned.items() if parameter.dtype == torch.float16]
    if halves:
        raise TrainingError(
            f"{halves[0]} is float16, in which the squares that Adam keeps of gradients vanish: train in float32, by "
            "model.float(), and store it as float16 afterwards",
            tensor=halves[0],
        )
    for name, module in model.named_modules():
        if isinstance(module, ItemItem) and module.values.dtype == torch.bfloat16:
            raise TrainingError(f"{name} is a sparse matrix, and torch multiplies none in bfloat16; use model.float()")


def place_of(model: nn.Module, which: str = "the model") -> torch.device:
    """The processor or the graphics card that all of a model is on, which is where it is trained. Raises TrainingError
    for one in several places, or in a place without AdamW in one step."""
    places = sorted({str(tensor.device) for tensor in (*model.parameters(), *model.buffers())})
    if len(places) > 1:
        raise TrainingError(f"{which} is on {' and '.join(places)}; a model is trained in one place: move it by .to()")
    place = torch.device(places[0] if places else "cpu")
    if place.type not in ("cpu", "cuda"):
        raise TrainingError(f"{which} is on {place}, and training runs on cpu and cuda; move it by .to()")
    return place


def check_place(model: nn.Module, which: str, place: torch.device) -> None:
    """Raise TrainingError for a model that is not in that place."""
    there = place_of(model, which)
    if there != place:
        raise TrainingError(f"{which} is on {there} and what it teaches on {place}; move it: .to({str(place)!r})")
