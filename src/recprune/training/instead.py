"""instead(): modules that do something else for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from torch import nn

__all__ = ["instead"]


@contextlib.contextmanager
def instead(modules: Iterable[nn.Module], forward: Callable[..., Any]) -> Iterator[None]:
    """Inside, each of the modules answers by `forward(module, ...)`; afterwards by its own again."""
    changed = list(modules)
    for module in changed:
        module.forward = partial(forward, module)
    try:
        yield
    finally:
        for module in changed:
            del module.forward
