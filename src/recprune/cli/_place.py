"""Where a command writes its file, or keeps what it does."""

from __future__ import annotations

from pathlib import Path

from recprune.atomic import standing
from recprune.errors import DataError
from recprune.plain_json import read_json

__all__ = ["file_at", "folder_at"]


def file_at(out: Path) -> Path:
    """The path, in a folder that is made where it is missing. Raises DataError where no file can stand there, or where
    it would stand in a model's folder or a prepared one, which hold what their manifests name and nothing else: asked
    before the work whose result it is to hold."""
    if out.is_dir():
        raise DataError(f"{out} is a folder, and a file is to be written there; name one in it", path=str(out))
    for folder in out.absolute().parents:
        if _sealed(folder):
            raise DataError(
                f"{out} would stand in {folder}, which its manifest seals: with one more file it could not be read. "
                "Name a place beside it",
                path=str(out),
            )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        said = f"{out.parent} cannot be a folder: a file is in the way; name another"
        raise DataError(said, path=str(out)) from error
    return out


def folder_at(out: Path) -> Path:
    """The path of a folder for what comes of a long work, not made yet. Raises DataError where it is a model's or a
    prepared one, stands in such a one, or is a file: asked before the work whose results it is to hold."""
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file, and a folder is to stand there; name another", path=str(out))
    for folder in (out.absolute(), *out.absolute().parents):
        if _sealed(folder):
            raise DataError(
                f"{out} is, or stands in, {folder}, which its manifest seals: with more in it, it could not be read. "
                "Name a place beside it",
                path=str(out),
            )
    return out


def _sealed(folder: Path) -> bool:
    """Whether it is a model's folder or a prepared one."""
    try:
        manifest = read_json((standing(folder) / "manifest.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and str(manifest.get("kind")).startswith("recprune")
