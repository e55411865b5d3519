"""Sums and a seal that fit what is there, so that what was changed below them is read."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from fuzzing.originals import Files

__all__ = ["put_right"]


def put_right(files: Files, manifest: Any) -> Files:
    """The files under this manifest, with sums of them and a seal; as they were where it cannot be written."""
    listed = manifest.get("files") if isinstance(manifest, dict) else None
    if isinstance(listed, dict):
        for name in listed.keys() & files.keys():
            listed[name] = {"bytes": len(files[name]), "sha256": hashlib.sha256(files[name]).hexdigest()}
    try:
        return {**files, "manifest.json": _resealed(manifest)}
    except (ValueError, TypeError, RecursionError):
        return files


def _resealed(manifest: Any) -> bytes:
    """The seal as `recprune.artifact.manifest.sealed` puts it on, and the rest on one line, which is written in C."""
    if not isinstance(manifest, dict):
        return b"[]"
    manifest.pop("sha256", None)
    text = json.dumps(manifest, ensure_ascii=False, allow_nan=False).removesuffix("}")
    seal = hashlib.sha256(f"{text}\n}}".encode()).hexdigest()
    return f'{text},\n "sha256": "{seal}"\n}}'.encode()
