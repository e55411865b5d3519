"""Writes that survive a crash: what stood before stands until what is new is whole and on the disk."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from recprune.errors import ArtifactError

try:
    import fcntl
except ImportError:  # there is no flock on this system, and two writers are not told apart
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "lock",
    "replace_folder",
    "replacing",
    "room_for",
    "scratch",
    "standing",
    "tidy",
    "write_bytes",
    "write_file",
]

PIECE = 1 << 24
"""Bytes that are handed to the system at a time."""


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file whole or not at all: beside the target, to the disk, then renamed over it.

    The folder must exist. After a crash at any moment the path holds the old bytes or the new ones. Raises OSError, and
    ArtifactError where another process writes it right now.
    """
    with replacing(path) as beside:
        write_file(beside, data)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Where to write a file that takes the place of `path` when the block ends; the block brings it to the disk.

    Where the block fails, what stood there stands, and nothing else is left. Raises as `write_bytes` does.
    """
    target = Path(os.path.realpath(path))
    with lock(target):
        _tidy(target)
        beside = _beside(target)
        try:
            yield beside
            os.replace(beside, target)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)


@contextlib.contextmanager
def scratch(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A folder beside `path` for what is needed while it is written, and only then: inside a block of `replacing`.

    What a killed process leaves of it goes with the next write, as all that it left does. Raises OSError.
    """
    place = _beside(Path(os.path.realpath(path)))
    os.mkdir(place)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def write_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file that is not there yet, in place, and bring it to the disk. Raises OSError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        left = memoryview(data)
        while len(left):
            left = left[_written(handle, left[:PIECE], path) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_folder(path: str | os.PathLike[str], write: Callable[[Path], None]) -> None:
    """Write a folder whole or not at all: `write(folder)` fills an empty one beside the target, which takes its place.

    A folder that stood there is removed with all it holds: look first whether it is yours. It is set aside as
    `.NAME.old` for the instant between two renames; after a crash right there `standing` still finds it. What a crash
    left behind is removed by the next write. The parent is made where it is missing. Raises OSError, ArtifactError
    where another process writes it right now, and what `write` raises.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_dir():
        raise NotADirectoryError(f"{target} is a file, and a folder is to be written there")
    target.parent.mkdir(parents=True, exist_ok=True)
    with lock(target):
        _tidy(target)
        beside = _beside(target)
        os.mkdir(beside)
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


def tidy(folder: str | os.PathLike[str]) -> None:
    """Remove locks in a folder that nobody holds: a process that was killed left them. They stand in nobody's way."""
    for place in Path(folder).glob(".*.lock"):
        if fcntl is None or place.is_symlink() or not place.is_file():
            continue
        with contextlib.suppress(OSError):
            handle = os.open(place, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _same(handle, place):
                    place.unlink()
            finally:
                os.close(handle)


def room_for(path: str | os.PathLike[str], needed: int) -> None:
    """Raise OSError (no space) where the disk of `path`, or of the nearest folder above it, has fewer bytes free."""
    place = Path(os.path.realpath(path))
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < needed:
        raise OSError(errno.ENOSPC, f"{needed:,} bytes are needed and {free:,} are free", str(path))


@contextlib.contextmanager
def lock(path: str | os.PathLike[str]) -> Iterator[None]:
    """Be the only one who writes `path`, for as long as the block lasts.

    Raises ArtifactError at once where another process, or thread, holds it. The system lets go of what a dead process
    held, so that nothing has to be tidied up after one.
    """
    target = Path(os.path.realpath(path))
    place = target.with_name(f".{target.name}.lock")
    handle = _locked(place, target)
    try:
        yield
    finally:
        if handle is not None:
            place.unlink(missing_ok=True)
            os.close(handle)


def _locked(place: Path, target: Path) -> int | None:
    """A handle that holds the lock; None where this system has none."""
    while fcntl is not None:
        handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _same(handle, place):
                return handle
        except BlockingIOError as error:
            os.close(handle)
            raise ArtifactError(
                f"{target} is being written by another process; wait for it to end, or write to another place",
                path=str(target),
            ) from error
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # the one who held it has removed it in between
    return None


def _same(handle: int, place: Path) -> bool:
    """Whether the open file still is the one at that path."""
    try:
        there = os.stat(place, follow_symlinks=False)
    except FileNotFoundError:
        return False
    here = os.fstat(handle)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _written(handle: int, data: memoryview, path: str | os.PathLike[str]) -> int:
    """How many bytes the system took; it may be fewer than it was given."""
    try:
        took = os.write(handle, data)
    except InterruptedError:
        return 0
    except OSError as error:
        at = os.lseek(handle, 0, os.SEEK_CUR)
        raise OSError(error.errno, f"{error.strerror}, at byte {at:,}", str(path)) from error
    if took == 0:
        raise OSError(errno.EIO, "the disk takes no bytes", str(path))
    return took


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


def _tidy(target: Path) -> None:
    """Remove what a killed write of this target left behind. Only for who holds its lock."""
    left = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{12}}\.tmp")
    for path in [p for p in target.parent.iterdir() if left.fullmatch(p.name)]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


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
