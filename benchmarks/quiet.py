"""quiet(): packages that read the command line and say things on their own do neither."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from unittest import mock

__all__ = ["quiet"]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Inside, no arguments are there to be read, and what is printed is gone."""
    said = io.StringIO()
    with (
        mock.patch.object(sys, "argv", sys.argv[:1]),
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
    ):
        yield
