"""Files of a folder, opened by their names alone: no link is followed, nothing but a file is read."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from recprune.errors import ArtifactError

__all__ = ["Folder", "Opened"]

FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
BY_HANDLE = os.open in os.supports_dir_fd and os.listdir in os.supports_fd
"""Whether this system opens a file inside an open folder, so that one that is replaced meanwhile stays the same."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An open file and how long it is."""

    path: Path
    handle: int
    size: int

    def fill(self, place: Any) -> None:
        """Read the next bytes into a writable buffer of bytes, all of it. Raises ArtifactError."""
        left, done = memoryview(place).cast("B"), 0
        while done < len(left):
            piece = self._some(min(len(left) - done, 1 << 24))
            if not piece:
                raise ArtifactError(f"{self.path} ends {len(left) - done:,} bytes too early", path=str(self.path))
            left[done : done + len(piece)] = piece
            done += len(piece)

    def read(self, size: int) -> bytearray:
        """The next bytes, exactly so many. Raises ArtifactError."""
        data = bytearray(size)
        self.fill(data)
        return data

    def _some(self, most: int) -> bytes:
        while True:
            try:
                return os.read(self.handle, most)
            except InterruptedError:
                continue
            except OSError as error:
                at = os.lseek(self.handle, 0, os.SEEK_CUR)
                raise ArtifactError(
                    f"{self.path} cannot be read at byte {at:,}: {error.strerror}. Take a copy from another disk",
                    path=str(self.path),
                    offset=at,
                ) from error


class Folder:
    """An open folder; what is read later is read from this very folder, also where another takes its place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._handle = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)) if BY_HANDLE else None
        except OSError as error:
            raise ArtifactError(f"{path} cannot be opened: {error.strerror}", path=str(path)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._handle is not None:
            os.close(self._handle)

    def names(self) -> set[str]:
        """What stands in it. Raises ArtifactError."""
        try:
            return set(os.listdir(self.path if self._handle is None else self._handle))
        except OSError as error:
            raise ArtifactError(f"{self.path} cannot be read: {error.strerror}", path=str(self.path)) from error

    @contextmanager
    def open(self, name: str) -> Iterator[Opened]:
        """A file of it by its plain name. Raises ArtifactError for a link, a hard link, a pipe or a folder."""
        path = self.path / name
        try:
            handle = os.open(path, FLAGS) if self._handle is None else os.open(name, FLAGS, dir_fd=self._handle)
        except OSError as error:
            link = error.errno == errno.ELOOP
            said = "it is a link, and links are not followed" if link else error.strerror
            raise ArtifactError(f"{path} cannot be opened: {said}. Store the model again", path=str(path)) from error
        try:
            facts = os.fstat(handle)
            if not stat.S_ISREG(facts.st_mode):
                raise ArtifactError(f"{path} cannot be opened: it is no file. Take a good copy", path=str(path))
            if facts.st_nlink > 1:
                raise ArtifactError(
                    f"{path} cannot be opened: it has {facts.st_nlink} names (hard links), so that it can be changed "
                    "from elsewhere. Take a copy of its own",
                    path=str(path),
                )
            yield Opened(path, handle, facts.st_size)
        finally:
            os.close(handle)
