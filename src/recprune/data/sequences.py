"""Samples of a sequence model: what a user did before, and what came next."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recprune.data.dataset import Histories
from recprune.errors import DataError

__all__ = ["sequence_samples", "sequences_before"]


def sequence_samples(
    histories: Histories, length: int, *, every_prefix: bool = True
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Inputs (n, length), oldest first, padded with 0 in front, and targets (n,), the item that came next.

    every_prefix: each item of a user but the first is a target once (k items give k - 1 samples); otherwise only the
    last one is. Samples stand in the order of the users and of time. An unknown item (code 0) is never a target.
    Beside the result no more than a few arrays of (n,) are held.

    >>> sequence_samples(Histories(np.array([0, 3]), np.array([7, 8, 9], dtype=np.int32), 10), 2)
    (array([[0, 7],
           [7, 8]], dtype=int32), array([8, 9], dtype=int32))
    """
    targets = _targets(histories, every_prefix)
    return sequences_before(histories, targets, length), histories.items[targets].astype(np.int32)


def sequences_before(histories: Histories, places: NDArray[np.int64], length: int) -> NDArray[np.int32]:
    """(len(places), length) the items that the same user did before each place of `histories.items`, oldest first,
    padded with 0 in front."""
    if length < 1:
        raise DataError(f"length is 1 or more, not {length}", length=length)
    begins = histories.starts[np.searchsorted(histories.starts, places, side="right") - 1]
    inputs = np.zeros((len(places), length), dtype=np.int32)
    for back in range(1, length + 1):
        there = np.flatnonzero(places - begins >= back)
        inputs[there, length - back] = histories.items[places[there] - back]
    return inputs


def _targets(histories: Histories, every_prefix: bool) -> NDArray[np.int64]:
    """Places in `histories.items` that are targets, ascending."""
    counts = histories.counts()
    if every_prefix:
        target = np.ones(len(histories.items), dtype=bool)
        target[histories.starts[:-1][counts > 0]] = False
    else:
        target = np.zeros(len(histories.items), dtype=bool)
        target[histories.starts[1:][counts > 1] - 1] = True
    return np.flatnonzero(target & (histories.items > 0))
