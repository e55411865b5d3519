"""A click model as a flat program that our kernels run: no graph, no framework, one thread."""

from __future__ import annotations

import numpy as np
from torch import nn

from recprune.kernels.program import Runnable
from recprune.runtimes.asking import Columns, Compiled
from recprune.runtimes.writing import program_of

__all__ = ["kernels"]


def kernels(model: nn.Module, example: Columns) -> Compiled:
    """The program of one of recprune's click models, in C for the instructions of this machine, else in numpy.

    Tables stay as they are stored, in float32, 8 or 4 bits; norms are folded into the layers. Raises ExtensionError,
    with the reason, for a model of which anything is not recognised.
    """
    run = Runnable(program_of(model))
    wanted = tuple({"number": np.dtype(np.float32)}.get(kind, np.dtype(np.int64)) for kind in run.program.columns)
    if tuple(column.dtype for column in example) != wanted:
        raise _other_columns(example, wanted)
    return run


def _other_columns(example: Columns, wanted: tuple[np.dtype[np.generic], ...]) -> Exception:
    from recprune.errors import ExtensionError

    found = ", ".join(str(column.dtype) for column in example)
    return ExtensionError(f"the model is asked with columns of {found}, and takes {', '.join(map(str, wanted))}")
