"""Files of an object storage, copied once to a temporary folder, each with its checksum."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from recprune.atomic import room_for
from recprune.data.address import Address, redacted
from recprune.data.log import Log
from recprune.data.needed import needed
from recprune.errors import DataError, ExtensionError

__all__ = ["Copy", "copied", "state_of"]

PIECE = 1 << 22
MAGIC = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Copy:
    """Where the copy lies, and what it is a copy of. folder: gone as soon as nobody holds it."""

    address: Address
    path: Path
    folder: tempfile.TemporaryDirectory[str]
    files: Mapping[str, Mapping[str, Any]]

    @contextmanager
    def told(self) -> Iterator[None]:
        """What is raised names the address and not the copy."""
        try:
            yield
        except DataError as error:
            parts = {name: self.named(part) if isinstance(part, str) else part for name, part in error.parts.items()}
            raise DataError(self.named(str(error)), **parts) from error

    def named(self, text: str) -> str:
        """The text with the address in the place of the copy."""
        return text.replace(str(self.path), self.address.text)

    def of(self, log: Log) -> Log:
        """A log that was read from the copy, as one of the address."""
        named = pl.col("file").str.replace(str(self.path), self.address.text, literal=True)
        rejected = replace(log.rejected, rows=log.rejected.rows.with_columns(named))
        origin = {"source": self.address.text, "files": {name: dict(facts) for name, facts in self.files.items()}}
        source, spool = self.named(log.source), (log.spool, self.folder)
        return replace(log, source=source, rejected=rejected, origin=(origin,), spool=spool)


def copied(address: Address) -> Copy:
    """The file, the folder (of one that holds Parquet files all of these, with the folders between) or what a pattern
    with `*`, `?`, `[...]` finds, copied to a temporary folder (`TMPDIR` says where).

    Names that begin with `_` or `.` are left out, as Hive does. fsspec reads it, with the credentials that each storage
    finds in its own configuration: it needs `pip install 'recprune[storage]'`, and for most storages a package more,
    which is named. Raises ExtensionError where one is missing, DataError where nothing is there or it cannot be read,
    and OSError where the disk has no room.
    """
    storage, root = opened(address)
    with told(address):
        base, found = listed(storage, root)
        sizes = {name: storage.info(name).get("size") for name in found}
    if not found:
        raise DataError(f"{address}: no such file or folder", path=address.text)
    places = {name: inside(address, base, name) for name in found}
    folder = tempfile.TemporaryDirectory(prefix="recprune-")
    copy, files = Path(folder.name) / "copy", {}
    try:
        room_for(copy, sum(size or 0 for size in sizes.values()))
        for name, place in places.items():
            (copy / place).parent.mkdir(parents=True, exist_ok=True)
            files[place.as_posix()] = one(address, storage, name, copy / place, sizes[name])
    except BaseException:
        folder.cleanup()
        raise
    return Copy(address, copy / places[root] if found == [root] else copy, folder, files)


def state_of(address: Address) -> list[list[object]]:
    """What tells one state of the files from another: names, and the mark that the storage gives to each."""
    storage, root = opened(address)
    with told(address):
        return [[name, storage.checksum(name)] for name in listed(storage, root)[1]]


def opened(address: Address) -> tuple[Any, str]:
    """The storage, and the path in it. Raises ExtensionError where a package is missing, DataError for no storage."""
    fsspec = needed("fsspec", "storage")
    if address.scheme not in fsspec.available_protocols():
        raise DataError(
            f"{address.scheme}://...: no such source; there are postgresql, sqlite, duckdb, and of storages s3, gs, "
            "abfs, memory, file and what else fsspec knows",
            scheme=address.scheme,
        )
    try:
        storage, root = fsspec.core.url_to_fs(address.text)
    except ImportError as error:
        words = redacted(str(error).split("\n")[0])
        raise ExtensionError(
            f"{address.scheme}:// needs a package that is not installed ({words}); pip install 'recprune[storage]' "
            "brings fsspec alone, 'recprune[s3]' and 'recprune[gs]' what these storages need",
            name=str(error.name),
        ) from error
    except Exception as error:
        raise unreadable(address, error) from error
    return storage, root.rstrip("/") or root


@contextmanager
def told(address: Address) -> Iterator[None]:
    """What a storage raises, and each raises its own, as a DataError."""
    try:
        yield
    except (DataError, ExtensionError, MemoryError):
        raise
    except Exception as error:
        raise unreadable(address, error) from error


def unreadable(address: Address, error: Exception) -> DataError:
    """One line of what a storage says."""
    lines = str(error).strip().split("\n")
    words = redacted(f"{type(error).__name__}: {lines[0]}" if lines[0] else type(error).__name__)
    return DataError(f"{address} cannot be read: {words}", path=address.text)


def listed(storage: Any, root: str) -> tuple[str, list[str]]:
    """The folder that what is found lies in, and the files, in the order of their names."""
    if MAGIC & set(root) and not storage.exists(root):
        fixed = root.split("/")
        until = next(place for place, part in enumerate(fixed) if MAGIC & set(part))
        base = "/".join(fixed[:until])
        found = [name for name, facts in storage.glob(root, detail=True).items() if facts["type"] == "file"]
    elif storage.isfile(root):
        return root.rpartition("/")[0], [root]
    else:
        base, found = root, list(storage.find(root)) if storage.isdir(root) else []
    seen = [name for name in sorted(found) if not hidden(name[len(base) :])]
    parquet = [name for name in seen if name.endswith(".parquet")]
    return base, parquet or [name for name in seen if "/" not in name[len(base) :].strip("/")]


def hidden(path: str) -> bool:
    """Whether a file, or a folder above it, is one that Hive does not look at."""
    return any(part.startswith((".", "_")) and "=" not in part for part in path.split("/") if part)


def inside(address: Address, base: str, name: str) -> PurePosixPath:
    """The path of a file below the base. Raises DataError for one that would leave it."""
    place = PurePosixPath(name[len(base) :].strip("/"))
    if ".." in place.parts or place.is_absolute() or not place.parts or "\\" in str(place) or "\0" in str(place):
        raise DataError(f"{address}: a file in it is called {str(place)!r}, which lies elsewhere", path=address.text)
    return place


def one(address: Address, storage: Any, name: str, target: Path, size: int | None) -> dict[str, object]:
    """Copy one file; its size and checksum. Raises DataError where fewer or more bytes come than it should have."""
    told_by, count = hashlib.sha256(), 0
    with told(address), storage.open(name, "rb") as source:
        pieces = iter(lambda: source.read(PIECE), b"")
        with target.open("wb") as out:
            for piece in pieces:
                told_by.update(piece)
                count += out.write(piece)
    if size is not None and count != size:
        raise DataError(f"{address}: {count:,} bytes of {size:,} came of {name}; read it again", path=address.text)
    return {"bytes": count, "sha256": told_by.hexdigest()}
