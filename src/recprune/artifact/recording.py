"""record(): what was measured of a model is put beside its weights, which stay as they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import recprune
from recprune.artifact.manifest import (
    FORMAT,
    MANIFEST,
    NEEDS,
    SPEEDS,
    WEIGHTS,
    facts_of,
    read_file,
    read_manifest,
)
from recprune.artifact.opening import Folder
from recprune.artifact.speeds import Speeds
from recprune.atomic import replace_folder, room_for, standing, write_file
from recprune.errors import ArtifactError

__all__ = ["record"]


def record(folder: str | Path, speeds: Speeds) -> None:
    """Keep a record of speeds in an artifact, in the place of one that it has; every other file stays, byte for byte.

    Whole or not at all, as `save` writes. Raises ArtifactError where the artifact is damaged or holds other weights
    than those that were timed, where another process writes it, and for a disk that fails.
    """
    path, text = Path(folder), speeds.to_json().encode()

    def write(fresh: Path) -> None:
        with Folder(standing(path)) as there:
            manifest = read_manifest(there)
            if manifest.files[WEIGHTS].sha256 != speeds.weights:
                raise ArtifactError(f"{path} holds other weights than those that were timed", path=str(path))
            kept = {name: facts for name, facts in manifest.files.items() if name != SPEEDS}
            for name, facts in kept.items():
                write_file(fresh / name, read_file(there, name, facts))
        write_file(fresh / SPEEDS, text)
        files = kept | {SPEEDS: facts_of(text)}
        now = replace(manifest, format=FORMAT, version=recprune.__version__, needs=NEEDS, files=files)
        write_file(fresh / MANIFEST, now.to_json().encode())

    try:
        with Folder(standing(path)) as there:
            room_for(path, len(text) + sum(facts.bytes for facts in read_manifest(there).files.values()))
        replace_folder(path, write)
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be written: {error.strerror or error}. What stood there before stands",
            path=str(path),
            errno=error.errno,
        ) from error
