"""Writes that survive a crash: what stood before stands until what is new is whole and on the disk."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

__all__ = ["replace_folder", "standing", "write_bytes"]


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file whole or not at all: beside the target, to the disk, then renamed over it. Raises OSError.

    The folder must exist. After a crash at any moment the path holds the old bytes or the new ones.
    """
    target = Path(os.path.realpath(path))
    beside = _beside(target)
    try:
        with open(beside, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def replace_folder(path: str | os.PathLike[str], write: Callable[[Path], None]) -> None:
    """Write a folder whole or not at all: `write(folder)` fills an empty one beside the target, which takes its place.

    A folder that stood there is removed with all it holds: look first whether it is yours. It is set aside as
    `.NAME.old` for the instant between two renames; after a crash right there `standing` still finds it, and the next
    write removes it. The parent is made where it is missing. Raises OSError, and what `write` raises.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_dir():
        raise NotADirectoryError(f"{target} is a file, and a folder is to be written there")
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = _beside(target)
    beside.mkdir()
    try:
        write(beside)
        _sync_tree(beside)
        _swap(beside, target)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def standing(path: str | os.PathLike[str]) -> Path:
    """Where the folder is to be read: at its path, or set aside where a write was cut off between its two renames."""
    target = Path(os.path.realpath(path))
    aside = _aside(target)
    return aside if not target.exists() and aside.is_dir() else target


def _swap(beside: Path, target: Path) -> None:
    """Put a finished folder in the place of the target."""
    aside = _aside(target)
    if target.exists():
        if aside.exists():
            shutil.rmtree(aside)
        os.rename(target, aside)
        try:
            os.rename(beside, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.rename(aside, target)
            raise
    else:
        os.rename(beside, target)
    _sync_folder(target.parent)
    shutil.rmtree(aside, ignore_errors=True)


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")


def _aside(target: Path) -> Path:
    return target.with_name(f".{target.name}.old")


def _sync_tree(folder: Path) -> None:
    """Every file and folder in it, and itself, to the disk."""
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            with open(Path(place) / name, "rb") as file:
                os.fsync(file.fileno())
        _sync_folder(Path(place))


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # a folder cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
