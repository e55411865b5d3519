"""What a runtime is asked with, and whether it answers as the model does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.errors import ExtensionError

__all__ = ["TOLERANCE", "Answer", "Columns", "Compiled", "Runtime", "agree", "arrays"]

Columns: TypeAlias = Sequence[NDArray[Any]]
"""One array a column, all of as many rows: int64 codes, (rows,) or (rows, width), or float32 numbers."""
Answer: TypeAlias = NDArray[np.floating[Any]]
Compiled: TypeAlias = Callable[[Columns], Answer]
"""A model as a runtime runs it: columns in, what forward gives out; one thread."""

TOLERANCE = 1e-4
"""How far an answer may be from that of the model, in units of its largest one (at least 1): float32 added up in
another order."""


class Runtime(Protocol):
    """A way to run a model in evaluation mode. example: columns of a few rows.

    Raises ExtensionError, with the reason, for a model that it does not take: it takes it as it is, or not at all.
    """

    def __call__(self, model: nn.Module, example: Columns) -> Compiled: ...


def arrays(inputs: Sequence[Tensor]) -> tuple[NDArray[Any], ...]:
    """Inputs as columns."""
    return tuple(np.ascontiguousarray(x.detach().cpu().numpy()) for x in inputs)


def agree(model: nn.Module, compiled: Compiled, columns: Columns) -> None:
    """Ask both: all rows together, one alone and three. Raises ExtensionError where answers are not the same up to
    TOLERANCE, or there are none, not even the model's."""
    for rows in (len(columns[0]), 1, 3):
        some = [np.ascontiguousarray(column[:rows]) for column in columns]
        try:
            with torch.inference_mode():
                said = model.eval()(*(torch.from_numpy(column) for column in some))
        except Exception as error:
            raise ExtensionError(
                f"{type(model).__name__} itself fails with {rows} rows: {type(error).__name__}: {error}"
            ) from error
        if not isinstance(said, Tensor):
            raise ExtensionError(f"{type(model).__name__} gives no tensor, but a {type(said).__name__}")
        wanted = said.double().numpy()
        try:
            found = np.asarray(compiled(some), dtype=np.float64)
        except Exception as error:
            raise ExtensionError(f"it fails with {rows} rows: {type(error).__name__}: {error}") from error
        if found.shape != wanted.shape:
            raise ExtensionError(f"it gives {found.shape} numbers and the model {wanted.shape}")
        apart = float(np.abs(found - wanted).max(initial=0))
        allowed = TOLERANCE * max(1.0, float(np.abs(wanted).max(initial=0)))
        if not apart <= allowed:
            raise ExtensionError(f"its answers are up to {apart:.3g} from the model's, more than {allowed:.3g}")
