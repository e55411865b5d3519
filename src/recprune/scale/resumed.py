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

__all__ = ["resumed", "workplace"]

SAID = "job.json"


def workplace(given: Path | None, out: Path, spared: Collection[str] = ()) -> Path:
    """A folder for what is made on the way to `out`: the one that is given, or `.NAME.work` beside it; made where it is
    missing, and to be removed in the end. Raises DataError where something is in it that is no work of ours."""
    folder = given or out.resolve().with_name(f".{out.name}.work")
    folder.mkdir(parents=True, exist_ok=True)
    others = sorted(path.name for path in folder.iterdir() if path.name[0] != "." and path.name not in spared)
    if others and not (folder / SAID).is_file():
        why = f"{folder} holds {others[0]!r}, which is no work of ours and would be removed; name another folder"
        raise DataError(why, path=str(folder))
    return folder


def resumed(folder: Path, facts: Mapping[str, Any], spared: Collection[str] = ()) -> None:
    """Keep what the folder holds of the work with these facts, made since this machine was started, and remove anything
    else but the files `spared`; files there need not have reached the disk when a machine loses its power."""
    text = json.dumps({**facts, "boot": _boot()}, sort_keys=True, default=str)
    digest, said = hashlib.sha256(text.encode()).hexdigest(), folder / SAID
    if said.is_file() and json.loads(said.read_text(encoding="utf-8")) == digest:
        return
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in (*spared, SAID):
            path.unlink()
    put_json(said, digest)


def _boot() -> str:
    """Changes when the machine starts again; the same for ever where the system does not say."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text(encoding="ascii").strip() if path.is_file() else ""
