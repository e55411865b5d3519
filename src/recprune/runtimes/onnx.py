"""The model as ONNX Runtime runs it, one thread a request."""

from __future__ import annotations

import contextlib
import inspect
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.export import Dim

from recprune.errors import ExtensionError
from recprune.runtimes.asking import Answer, Columns, Compiled

__all__ = ["onnx", "to_onnx"]


def onnx(model: nn.Module, example: Columns) -> Compiled:
    """A session of ONNX Runtime over the exported model; it needs `pip install 'recprune[onnx]'`.

    Raises ExtensionError where that is not installed, or torch or ONNX cannot say what the model does.
    """
    runtime = _installed()
    try:
        return session_of(to_onnx(model, example), runtime)
    except Exception as error:  # whatever exporter and runtime raise
        first = str(error).strip().splitlines() or [""]
        raise ExtensionError(f"ONNX does not take it: {type(error).__name__}: {first[0][:200]}") from error


def to_onnx(model: nn.Module, example: Columns) -> bytes:
    """The model in evaluation mode as an ONNX file, for any number of rows. example: two rows or more."""
    inputs = tuple(map(torch.from_numpy, example))
    rows = Dim("rows", min=1)
    shapes = tuple({0: rows, **({1: Dim.AUTO} if x.dim() == 2 else {})} for x in inputs)
    with _quiet(), torch.no_grad():
        program = torch.export.export(model.eval(), inputs, dynamic_shapes=_as_taken(model, shapes))
        made: Any = torch.onnx.export(program, dynamo=True, verbose=False)
    data: bytes = made.model_proto.SerializeToString()
    return data


def session_of(file: bytes, runtime: Any) -> Compiled:
    """An ONNX file as something that is called with columns."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = runtime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    names = [place.name for place in session.get_inputs()]

    def call(columns: Columns) -> Answer:
        found: Answer = session.run(None, dict(zip(names, columns, strict=True)))[0]
        return np.asarray(found)

    return call


def _as_taken(model: nn.Module, shapes: tuple[Any, ...]) -> Any:
    """Shapes of positional arguments as forward takes them: one by one, or together as `*columns`."""
    kinds = [parameter.kind for parameter in inspect.signature(model.forward).parameters.values()]
    return (shapes,) if inspect.Parameter.VAR_POSITIONAL in kinds else shapes


def _installed() -> Any:
    try:
        import onnxruntime
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise ExtensionError(
            f"{error.name} is not installed: pip install 'recprune[onnx]'", name=str(error.name)
        ) from error
    return onnxruntime


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says on its way."""
    level = logging.root.manager.disable
    said = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        warnings.simplefilter("ignore")
        logging.disable(logging.ERROR)
        try:
            yield
        finally:
            logging.disable(level)
