"""alike(), as_held(): numbers of the data in the precision of a model."""

from __future__ import annotations

from torch import Tensor, nn

from recprune.encodings.faces import Packed
from recprune.encodings.item_item import ItemItem

__all__ = ["alike", "as_held"]


def alike(numbers: Tensor, weights: Tensor) -> Tensor:
    """The numbers in the precision of the weights; they themselves where they have it, so that nothing is traced."""
    return numbers if numbers.dtype == weights.dtype else numbers.to(weights.dtype)


def as_held(numbers: Tensor, held: nn.Module) -> Tensor:
    """The numbers in the precision of a table or a layer; what is packed or held by its entries sees to that itself."""
    if isinstance(held, Packed | ItemItem):
        return numbers
    weight: Tensor = held.weight  # type: ignore[assignment]
    return alike(numbers, weight)
