"""Zip files: what they hold is looked at before a byte of it is unpacked."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from recprune.importing.refused import Refused, within

__all__ = ["checked_zip"]

ENTRIES = 100_000


def checked_zip(path: Path, cap: int, *, stored: bool) -> zipfile.ZipFile:
    """The open zip file, in which no name stands twice and nothing is encrypted.

    stored: refuse entries that are packed, as PyTorch writes none; then the sum of all entries is no longer than the
    file, so that none can lie on top of another. Raises Refused, also where all entries would take more than `cap`.
    """
    try:
        found = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise Refused(f"it is no whole zip file: {error}") from error
    infos = found.infolist()
    names = [info.filename for info in infos]
    if len(infos) > ENTRIES or len(set(names)) != len(names):
        raise Refused(f"its {len(infos):,} entries are too many, or a name stands twice")
    if any(info.flag_bits & 1 for info in infos):
        raise Refused("it is encrypted")
    packed = [info.filename for info in infos if info.compress_type != zipfile.ZIP_STORED]
    if stored and packed:
        raise Refused(f"entry {packed[0]!r} is packed, as PyTorch never writes one: save the tensors again")
    total = sum(info.file_size for info in infos)
    within(total, os.path.getsize(path) if stored else cap, "what it holds")
    within(total, cap, "what it holds")
    return found
