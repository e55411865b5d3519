"""Step: a tensor goes over to fewer bits."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Step"]


@dataclass(frozen=True, slots=True)
class Step:
    """A tensor goes over to an encoding: what it adds to the loss and how many bytes it saves, both against before."""

    tensor: str
    encoding: str
    rise: float
    saved: int

    @property
    def price(self) -> float:
        """Rise of the loss per byte."""
        return self.rise / self.saved
