"""How the street says where it is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recprune.training.fit import Epoch, Progress

__all__ = ["Say", "Stage", "epochs", "silent"]

Say = Callable[[str], None]
"""Words on how far a stage is."""

Stage = Callable[[str], AbstractContextManager[Say]]
"""`with stage("train") as say:` goes around every stage."""


@contextlib.contextmanager
def silent(name: str) -> Iterator[Say]:
    """A stage that nobody watches."""
    yield lambda words: None


def epochs(say: Say, most: int | None = None) -> Progress:
    """What `fit` reports, in words. most: how many epochs there are, if training does not end before."""

    def report(epoch: Epoch) -> None:
        value = "" if epoch.value is None else f", validation {epoch.value:.4f}"
        of = "" if most is None else f", {epoch.number}/{most}"
        say(f"epoch {epoch.number}, loss {epoch.loss:.4f}{value}{of}")

    return report
