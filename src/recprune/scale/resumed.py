"""resumed(): what a folder of work holds is gone on from where it belongs to the very same work, or removed."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from recprune.errors import DataError
from recprune.scale.pieces import put_json

__all__ = ["resumed"]

SAID = "job.json"


def resumed(folder: Path, facts: Mapping[str, Any], spared: Collection[str] = ()) -> None:
    """Keep what the folder holds of the work with these facts, made since this machine was started, and remove anything
    else but the files `spared`; files there need not have reached the disk when a machine loses its power.

    Raises DataError for a folder with something in it that is no work of ours, which would be removed.
    """
    text = json.dumps({**facts, "boot": _boot()}, sort_keys=True, default=str)
    digest, said = hashlib.sha256(text.encode()).hexdigest(), folder / SAID
    if said.is_file() and json.loads(said.read_text(encoding="utf-8")) == digest:
        return
    there = [path for path in folder.iterdir() if path.name not in (*spared, SAID)]
    others = sorted(path.name for path in there if path.name[0] != ".")
    if others and not said.is_file():
        raise DataError(
            f"{folder} holds {others[0]!r}, which is no work of ours; name another folder", path=str(folder)
        )
    for path in there:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    put_json(said, digest)


def _boot() -> str:
    """Changes when the machine starts again; the same for ever where the system does not say."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text(encoding="ascii").strip() if path.is_file() else ""
