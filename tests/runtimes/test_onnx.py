"""ONNX Runtime answers as the model does, and is refused with a reason where it cannot."""

import sys

import numpy as np
import pytest

from recprune.errors import ExtensionError
from recprune.runtimes.asking import agree
from recprune.runtimes.onnx import onnx


def test_any_number_of_rows_is_answered_as_by_the_model(mixed, trained, asked):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    model = trained("deepfm", mixed, dim=4, hidden=(8,))
    columns = asked(model, mixed)
    agree(model, onnx(model, columns), columns)


def test_what_is_not_installed_is_named(clicks, trained, asked, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    model = trained("lr", clicks)
    with pytest.raises(ExtensionError, match=r"onnxruntime is not installed: pip install 'recprune\[onnx\]'"):
        onnx(model, asked(model, clicks))


def test_a_model_that_cannot_be_exported_is_refused(clicks, trained, asked, monkeypatch):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    model = trained("lr", clicks)
    monkeypatch.setattr(model, "forward", lambda *columns: columns[0] * float(np.random.rand() < columns[0].sum()))
    with pytest.raises(ExtensionError, match="ONNX does not take it"):
        onnx(model, asked(model, clicks))
