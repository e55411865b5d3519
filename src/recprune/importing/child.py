"""The process that reads a foreign file: it limits itself first, writes plain tensors, and says one line of JSON.

python -m recprune.importing.child FILE OUT CAP SECONDS
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recprune.importing.refused import Refused
from recprune.importing.zipped import checked_zip

__all__ = ["converted", "main"]

ROOM = 512 << 20
"""Bytes that are needed beside the tensors."""
LEGACY = "it is a pickle, or of PyTorch before 1.6: load it where you trust it, and save model.state_dict() again"
KERAS = "model.weights.h5"

Converter = Callable[[Path, Path, int], dict[str, Any]]


def main() -> int:
    """Read, write, say."""
    path, out, cap, seconds = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    try:
        convert = _converter(path)
        _limit(cap, seconds)
        said = convert(path, out, cap)
    except Refused as error:
        said = {"refused": str(error)}
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError) as error:
        said = {"refused": f"it is damaged: {error}"}
    except MemoryError:
        said = {"refused": "it takes more memory than is allowed; --cap allows more"}
    sys.stdout.write(json.dumps(said))
    return 0


def converted(path: Path, out: Path, cap: int) -> dict[str, Any]:
    """Write the tensors of a foreign file to a safetensors file, under numbers; their names, and which are sparse.

    Raises Refused for what is not read. To be called in a process with limits.
    """
    return _converter(path)(path, out, cap)


def _limit(cap: int, seconds: int) -> None:
    """What is there already, and room for the tensors: as they are stored, as they are made, as they are written."""
    try:
        import resource
    except ImportError:  # this system has no such limits: size and form are checked all the same
        return
    linux = Path("/proc/self/statm")
    used = os.sysconf("SC_PAGE_SIZE") * int(linux.read_text().split()[0]) if linux.exists() else 8 << 30
    wanted = {"RLIMIT_AS": used + 3 * cap + ROOM, "RLIMIT_CPU": seconds, "RLIMIT_FSIZE": cap + ROOM, "RLIMIT_CORE": 0}
    for name, value in wanted.items():
        with contextlib.suppress(ValueError, OSError):  # a hard limit that is lower already stays
            resource.setrlimit(getattr(resource, name), (value, value))


def _converter(path: Path) -> Converter:
    """What reads such a file, by its first bytes and not by its name; imported when it is clear that it is needed."""
    with path.open("rb") as file:
        begin = file.read(8)
    if begin == b"\x89HDF\r\n\x1a\n":
        return _hdf5()
    if begin[:4] != b"PK\x03\x04":
        raise Refused(LEGACY if begin[:1] == b"\x80" else "it is no checkpoint that is known: .pt, .npz, .keras, .h5")
    with checked_zip(path, 1 << 62, stored=False) as file:
        names = file.namelist()
    if any(name.endswith("data.pkl") for name in names):
        checked_zip(path, 1 << 62, stored=True).close()
        from recprune.importing.pt import convert

        return convert
    if KERAS in names:
        return _hdf5()
    if names and all(name.endswith(".npy") for name in names):
        from recprune.importing.npz import convert as convert_arrays

        return convert_arrays
    raise Refused("it is a zip file that holds neither a PyTorch checkpoint, nor arrays, nor Keras weights")


def _hdf5() -> Converter:
    from recprune.importing.hdf5 import convert

    return convert


if __name__ == "__main__":
    sys.exit(main())
