"""A prepared folder: a split on disk, as Parquet and JSON, written whole or not at all.

manifest.json            format version, roles, what it was made of, and of every file its size and sha256
train.parquet ...        columns of numbers, one row an interaction
vocabulary-0.parquet ... the ids of one column, in the order of their codes
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from recprune.atomic import replace_folder, standing
from recprune.data.bins import vocabulary_of
from recprune.data.dataset import Dataset, Roles, Split
from recprune.data.log import Rejected
from recprune.data.on_disk import on_disk
from recprune.data.vocabulary import Vocabulary
from recprune.errors import DataError
from recprune.plain_json import read_json

__all__ = ["load_split", "roles_from", "save_split"]

VERSION = 1
KIND = "recprune prepared data"
PARTS = ("train", "valid", "test")
ASIDE = "rejected.tsv"


def save_split(
    split: Split,
    folder: str | Path,
    sources: Sequence[Mapping[str, Any]] = (),
    rejected: Rejected | None = None,
) -> Path:
    """Write a split. A prepared folder of that name is replaced; any other folder that is not empty is refused.

    sources: what it was made of (`Log.origin`), kept in the manifest as it is. rejected: lines that were left out, kept
    as `rejected.tsv` beside the parts. Raises DataError, also where the disk fails or is full; what stood there stands.
    """
    folder = Path(folder)
    refuse_others(folder)

    def write(fresh: Path) -> None:
        write_into(split, fresh, sources)
        if rejected is not None:
            rejected.write(fresh / ASIDE)

    with on_disk(folder):
        replace_folder(folder, write)
    return folder


def load_split(folder: str | Path) -> Split:
    """Read a split back. Raises DataError where the folder is none, or a file is not what the manifest says."""
    folder = standing(folder)
    manifest = manifest_of(folder)
    for name, said in manifest["files"].items():
        check(folder / name, said)
    try:
        vocabularies = {}
        for column, name in manifest["vocabularies"].items():
            vocabularies[column] = vocabulary_of(column, pl.read_parquet(folder / name)["id"].to_list())
        roles = roles_from(manifest["roles"])
        return Split(*(part(folder / f"{name}.parquet", vocabularies, roles) for name in PARTS))
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
        raise DataError(f"{folder} is no prepared folder: {error}. Prepare the data again", path=str(folder)) from error


def roles_from(said: Mapping[str, Any]) -> Roles:
    """Roles from what `dataclasses.asdict` made of them, and JSON kept."""
    parts: dict[str, Any] = {name: tuple(part) if isinstance(part, list) else part for name, part in said.items()}
    return Roles(**parts)


def write_into(split: Split, folder: Path, sources: Sequence[Mapping[str, Any]] = ()) -> None:
    """All files of a split, the manifest last."""
    for name in PARTS:
        columns = {key: pl.Series(key, values) for key, values in getattr(split, name).columns.items()}
        pl.DataFrame(columns).write_parquet(folder / f"{name}.parquet", compression="zstd", row_group_size=1 << 20)
    names = {}
    for number, (column, vocabulary) in enumerate(split.vocabularies.items()):
        names[column] = f"vocabulary-{number}.parquet"
        pl.DataFrame({"id": pl.Series(vocabulary.ids, dtype=pl.String)}).write_parquet(folder / names[column])
    seal(folder, split.train.roles, {name: len(getattr(split, name)) for name in PARTS}, names, sources)


def seal(
    folder: Path,
    roles: Roles,
    rows: Mapping[str, int],
    vocabularies: Mapping[str, str],
    sources: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write the manifest of a folder whose files are all there. vocabularies: column -> name of its file. sources: what
    they were made of, where that is no file of this machine."""
    files = {path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in sorted(folder.iterdir())}
    manifest = {
        "kind": KIND,
        "version": VERSION,
        "roles": asdict(roles),
        "rows": dict(rows),
        "vocabularies": dict(vocabularies),
        **({"sources": list(sources)} if sources else {}),
        "files": files,
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def refuse_others(folder: Path) -> None:
    """Raises DataError where something else stands in the way."""
    folder = standing(folder)
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file; a prepared folder cannot be written there", path=str(folder))
    if folder.exists() and any(folder.iterdir()):
        try:
            known = {*manifest_of(folder)["files"], "manifest.json", ASIDE}
        except DataError:
            raise DataError(
                f"{folder} is not empty and no prepared folder; name another one, or empty it", path=str(folder)
            ) from None
        others = sorted({path.name for path in folder.iterdir()} - known)
        if others:
            raise DataError(
                f"{folder} holds {others[0]!r}, which is of no prepared folder and would be removed; name another one",
                path=str(folder),
            )


def manifest_of(folder: Path) -> dict[str, Any]:
    """The manifest. Raises DataError where there is none of ours."""
    path = folder / "manifest.json"
    try:
        manifest = read_json(path.read_bytes())
    except (OSError, ValueError) as error:
        if folder.is_file():
            raise DataError(
                f"{folder} is a file and no prepared folder; `recprune prepare {folder} -o prepared/` makes one",
                path=str(folder),
            ) from error
        raise DataError(
            f"{folder} is not a prepared folder: {_why(folder, error)}. `recprune prepare LOG -o {folder}` makes one",
            path=str(folder),
        ) from error
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        raise DataError(
            f"{path} is not the manifest of a prepared folder{_other(manifest)}; `recprune prepare` makes one",
            path=str(path),
        )
    if manifest.get("version") != VERSION:
        raise DataError(
            f"{path} has version {manifest.get('version')}, this program reads {VERSION}: prepare the data again",
            path=str(path),
        )
    if not isinstance(manifest.get("roles"), dict) or not _listed(manifest.get("files"), manifest.get("vocabularies")):
        raise DataError(f"{path}: this manifest does not list the files of a prepared folder", path=str(path))
    return manifest


def _why(folder: Path, error: Exception) -> str:
    if not folder.exists():
        return "it is not there"
    return "it has no manifest.json" if isinstance(error, FileNotFoundError) else str(error)


def _other(manifest: Any) -> str:
    """What the folder is instead, where its manifest says so."""
    return ", but of a model" if isinstance(manifest, dict) and "tensors" in manifest else ""


def _listed(files: Any, vocabularies: Any) -> bool:
    """Whether a manifest lists what a prepared folder has, each by its plain name with its size and checksum."""
    if not isinstance(files, dict) or not isinstance(vocabularies, dict):
        return False
    needed = [*(f"{name}.parquet" for name in PARTS), *vocabularies.values()]
    plain = all(isinstance(name, str) and name in files and name not in ("..", ".", "") for name in needed)
    return plain and all(
        Path(name).name == name and isinstance(said, dict) and said.keys() == {"bytes", "sha256"}
        for name, said in files.items()
    )


def sources_of(folder: str | Path) -> tuple[Mapping[str, Any], ...]:
    """What a prepared folder was made of, as `save_split` was told. Raises DataError where it is none."""
    return tuple(manifest_of(standing(folder)).get("sources", ()))


def check(path: Path, said: dict[str, Any]) -> None:
    """Raises DataError where a file is missing or damaged."""
    if not path.is_file():
        raise DataError(f"{path} is missing; prepare the data again", path=str(path))
    if path.stat().st_size != said["bytes"] or sha256(path) != said["sha256"]:
        raise DataError(
            f"{path} is damaged: size or sha256 is not that of the manifest. Prepare the data again", path=str(path)
        )


def sha256(path: Path) -> str:
    """Checksum of a file as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def part(path: Path, vocabularies: dict[str, Vocabulary], roles: Roles) -> Dataset:
    """One part from its file."""
    frame = pl.read_parquet(path)
    used = {name: vocabulary for name, vocabulary in vocabularies.items() if name in frame.columns}
    return Dataset({name: frame[name].to_numpy() for name in frame.columns}, used, roles)
