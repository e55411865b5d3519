"""What a plan says of the numbers of a norm that the layer before it takes in: no file holds them."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["FOLDED", "folded_norms", "in_short"]

FOLDED = "folded"
"""Stands in the place of an encoding, at every tensor of such a norm."""


def folded_norms(encodings: Mapping[str, str]) -> tuple[str, ...]:
    """Paths of the norms of which a tensor is folded, in the order in which they are named."""
    return tuple(dict.fromkeys(name.rpartition(".")[0] for name, text in encodings.items() if text == FOLDED))


def in_short(encodings: Mapping[str, str]) -> dict[str, str]:
    """The same for people: a norm that is folded is named once, not tensor by tensor."""
    stored = {name: text for name, text in encodings.items() if text != FOLDED}
    return stored | dict.fromkeys(folded_norms(encodings), FOLDED)
