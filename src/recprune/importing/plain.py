"""Arrays of plain numbers on their way from the child to the parent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from recprune.importing.refused import Refused

__all__ = ["hand_over"]

WIDER = {"uint16": np.int32, "uint32": np.int64}
"""Whole numbers that nothing else has -> what holds them exactly; Keras keeps seeds of dropout so."""
KNOWN = {"bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"}


def hand_over(arrays: Mapping[str, NDArray[Any]], out: Path) -> dict[str, Any]:
    """Write the arrays under numbers, and say their names, in the same order; whole numbers without a sign come in a
    wider type where they have to. Raises Refused for a type of numbers that nothing else has."""
    arrays = {name: array.astype(WIDER.get(array.dtype.name, array.dtype)) for name, array in arrays.items()}
    odd = next((name for name, array in arrays.items() if array.dtype.name not in KNOWN), None)
    if odd is not None:
        raise Refused(f"{odd!r} is of type {arrays[odd].dtype}, which cannot be stored")
    save_file({str(number): np.asarray(array, order="C") for number, array in enumerate(arrays.values())}, out)
    return {"names": list(arrays), "sparse": {}}
