"""The contract of a runtime."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.errors import ExtensionError
from recprune.runtimes.asking import Runtime, agree, arrays

__all__ = ["check_runtime"]


def check_runtime(runtime: Runtime, model: nn.Module, inputs: Sequence[Tensor]) -> bool:
    """Assert that a runtime keeps the contract with a model. inputs: what forward takes, of 4 rows or more.

    It refuses the model with an ExtensionError that says why, or what it makes of it answers as the model does, up to
    float32, for all rows, one and three; the same when asked again. Model and columns stay as they were. Returns
    whether it takes the model.
    """
    columns, kept = arrays(inputs), [column.copy() for column in arrays(inputs)]
    before = copy.deepcopy(model.state_dict())
    where = f"{getattr(runtime, '__name__', runtime)} on {type(model).__name__}"
    reason = None
    try:
        run = runtime(model, columns)
    except ExtensionError as error:
        reason = str(error)
    if reason is not None:
        assert reason, f"{where}: it refuses the model and does not say why"
        return False
    try:
        agree(model, run, columns)
    except ExtensionError as error:
        raise AssertionError(f"{where}: {error}") from error
    first, again = _answer(run, columns), _answer(run, columns)
    assert np.array_equal(first, again), f"{where}: it answers otherwise when it is asked again"
    same = all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(columns, kept, strict=True))
    assert same, f"{where}: it writes into the columns that it is asked with"
    changed = [name for name, tensor in model.state_dict().items() if not torch.equal(before[name], tensor)]
    assert not changed, f"{where}: it changed {changed[:4]} of the model"
    return True


def _answer(run: Any, columns: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.array(run(columns))
