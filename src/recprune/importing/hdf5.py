"""Keras weights: .h5 and .weights.h5 files, and the one inside a .keras file. No layer is built, no config is read."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recprune.importing.plain import hand_over
from recprune.importing.refused import NAMES, Refused, by_name, within
from recprune.importing.zipped import checked_zip

__all__ = ["convert"]

INSIDE = "model.weights.h5"
DEPTH = 32
TEXT = "OSU"
"""Kinds of datasets that hold words, which are passed over."""


def convert(path: Path, out: Path, cap: int) -> dict[str, Any]:
    """Hand over every dataset by its path, with dots.

    Raises Refused for links, for data kept in other files, and where h5py is missing.
    """
    try:
        import h5py
    except ImportError as error:
        raise Refused("HDF5 needs the package h5py: pip install 'recprune[keras]'") from error
    source: Any = str(path)
    if zipfile.is_zipfile(path):
        with checked_zip(path, cap, stored=False) as file:
            if INSIDE not in file.namelist():
                raise Refused(f"it has no {INSIDE}")
            source = io.BytesIO(file.read(INSIDE))
    try:
        with h5py.File(source, "r") as opened:
            return hand_over(_read(list(_datasets(h5py, opened, "", 0)), cap), out)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise Refused(f"it is no whole HDF5 file: {str(error)[:200]}") from error


def _read(found: list[tuple[str, Any]], cap: int) -> dict[str, NDArray[Any]]:
    if len(found) > NAMES:
        raise Refused(f"{len(found):,} datasets are more than any model has")
    within(sum(int(one.size) * max(4, one.dtype.itemsize) for _, one in found), cap, "its datasets")
    return by_name((name, _numbers(one)) for name, one in found)


def _numbers(one: Any) -> NDArray[Any]:
    """The numbers of a dataset; those of bfloat16, which HDF5 does not know, in float32, exactly."""
    if _is_bfloat16(one):
        return (np.asarray(one[()]).view("<u2").astype(np.uint32) << 16).view(np.float32)
    return np.asarray(one[()], dtype=one.dtype.newbyteorder("="))


def _is_bfloat16(one: Any) -> bool:
    """As Keras stores it: two bytes of no type, and a word on what they are."""
    said = one.attrs.get("dtype", "")
    return bool(one.dtype.kind == "V" and one.dtype.itemsize == 2 and str(said) == "bfloat16")


def _datasets(h5py: Any, group: Any, name: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Every dataset of numbers, and its path."""
    if depth > DEPTH:
        raise Refused("its groups stand too deep in each other")
    for key in group:
        link, path = group.get(key, getlink=True), f"{name}.{key}".lstrip(".")
        if not isinstance(link, h5py.HardLink):
            raise Refused(f"{path!r} is a link to somewhere else")
        value = group[key]
        if isinstance(value, h5py.Group):
            yield from _datasets(h5py, value, path, depth + 1)
        elif isinstance(value, h5py.Dataset) and value.shape is not None and value.dtype.kind not in TEXT:
            if value.dtype.kind not in "fiub" and not _is_bfloat16(value):
                raise Refused(f"{path!r} holds {value.dtype}, and only plain numbers are read")
            if value.is_virtual or value.external:
                raise Refused(f"{path!r} keeps its numbers in another file")
            yield path, value
