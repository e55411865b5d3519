"""The manifest of an artifact: what stands in the folder, to the byte.

manifest.json          this, sealed by a sha256 of its own
weights.safetensors    every tensor once
plan.json              what was pruned (optional)
proof.json             that the pruned model answers as the masked one did (optional)
runtimes.json          what runtimes took, and which one to use (optional)
vocabulary-0.json ...  the ids of one column, in the order of their codes (optional)
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import recprune
from recprune.artifact.layouts import SPARSE, SparseFacts
from recprune.artifact.opening import Folder
from recprune.errors import ArtifactError
from recprune.plain_json import read_json

__all__ = [
    "FORMAT",
    "KIND",
    "LARGEST",
    "MANIFEST",
    "NEEDS",
    "PLAN",
    "PROOF",
    "READS",
    "SPEEDS",
    "WEIGHTS",
    "FileFacts",
    "Manifest",
    "TensorFacts",
    "facts_of",
    "parsed",
    "read_file",
    "read_manifest",
    "sealed",
]

KIND = "recprune artifact"
FORMAT = 4
NEEDS = "0.1.0"
"""The oldest recprune that reads what is written here."""
READS: Mapping[int, str] = {
    2: "as 3, without `needs` and without a proof",
    3: "as 4, without a record of runtimes",
    4: "the one that is written",
}
"""Formats that are read, and what they are."""
MANIFEST, WEIGHTS, PLAN, PROOF = "manifest.json", "weights.safetensors", "plan.json", "proof.json"
SPEEDS = "runtimes.json"
FILE = re.compile(r"weights\.safetensors|(plan|proof|runtimes)\.json|vocabulary-[0-9]{1,6}\.json")
TENSOR = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")
SEAL = len(f',\n "sha256": "{64 * "0"}"\n}}')
"""Characters that the seal takes at the end of a manifest."""
LARGEST = 16 << 20
"""Bytes of a manifest that is read at all."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Size and checksum of a file."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """Type (as safetensors names it) and shape of a tensor."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an artifact holds.

    version, needs: the recprune that wrote it, and the oldest that reads it. model: name of a built-in model, or the
    class of a foreign one, for people. config: what its constructor took. columns: the dataset columns that forward
    takes. encodings: tensor of the model -> how it is stored. attributes: whole numbers that modules hold beside their
    tensors. sparse: tensor whose parts are stored -> its layout and shape. opened: attention modules that take their
    widths from their tensors, where torch's own would not. vocabularies: column -> its file. metrics, seeds, notes: as
    they were given. created: the command that wrote it, where it is
    known.
    """

    kind: str
    format: int
    version: str
    needs: str
    model: str
    foreign: bool
    config: dict[str, Any]
    columns: tuple[str, ...]
    tensors: dict[str, TensorFacts]
    files: dict[str, FileFacts]
    encodings: dict[str, str]
    attributes: dict[str, int]
    sparse: dict[str, SparseFacts]
    opened: tuple[str, ...]
    vocabularies: dict[str, str]
    metrics: dict[str, Any]
    seeds: dict[str, int]
    notes: dict[str, Any]
    created: str

    def to_json(self) -> str:
        """As text, sealed; `read_manifest` gives it back. Raises ValueError for what JSON cannot hold."""
        return sealed(asdict(self))


def sealed(content: dict[str, Any]) -> str:
    """Plain data as text that holds its own sha256 as last value, so that a changed word is seen. content: some data,
    without a sha256 of its own."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    return _with_seal(text.removesuffix("\n}"))


def _with_seal(text: str) -> str:
    """An object as text, its end missing -> the whole object, the sha256 of what it would be without as last value."""
    seal = hashlib.sha256(f"{text}\n}}".encode()).hexdigest()
    return f'{text},\n "sha256": "{seal}"\n}}'


def read_manifest(folder: Folder) -> Manifest:
    """The manifest of a folder, checked for form; the files are not looked at. Raises ArtifactError."""
    path = folder.path / MANIFEST
    if MANIFEST not in folder.names():
        raise ArtifactError(
            f"{folder.path} is no artifact: it has no {MANIFEST}. `recprune train` makes one", path=str(path)
        )
    with folder.open(MANIFEST) as file:
        if file.size > LARGEST:
            raise ArtifactError(f"{path} is larger than any manifest", path=str(path))
        data = bytes(file.read(file.size))
    return parsed(path, data)


def parsed(path: Path, data: bytes) -> Manifest:
    """The manifest of these bytes, which stand at `path`, checked for form. Raises ArtifactError; its `how` is what is
    wrong with them."""
    try:
        text = data.decode("utf-8")
        content = read_json(text)
    except ValueError as error:
        raise _damaged(path, f"it is not JSON ({error})") from error
    return _checked(path, content, text)


def _checked(path: Path, content: Any, text: str) -> Manifest:
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise _damaged(path, f"it does not say that it is a {KIND}")
    if type(content.get("format")) is not int or content["format"] not in READS:
        raise ArtifactError(
            f"{path} has format {content.get('format')!r}, was written by recprune {content.get('version')!r} and "
            f"needs recprune {content.get('needs', 'of that version')!r} or newer; this is {recprune.__version__}, "
            f"which reads formats {', '.join(map(str, READS))}. Use such a version, or store the model again",
            path=str(path),
        )
    content.pop("sha256", None)
    if _with_seal(text[:-SEAL]) != text:
        raise _damaged(path, "it was changed after it was written, for its sha256 is another")
    if content["format"] == 2:
        content["needs"] = content.get("version")
    names = {f.name for f in fields(Manifest)}
    if content.keys() != names:
        raise _damaged(path, f"keys missing or unknown: {sorted(content.keys() ^ names)[:4]}")
    for name in (
        "config",
        "tensors",
        "files",
        "encodings",
        "attributes",
        "sparse",
        "vocabularies",
        "metrics",
        "seeds",
        "notes",
    ):
        if not isinstance(content[name], dict):
            raise _damaged(path, f"{name!r} is no mapping")
    texts = [
        content["model"],
        content["version"],
        content["needs"],
        content["created"],
        *_strings(path, "columns", content),
    ]
    texts += _strings(path, "opened", content)
    texts += [*content["encodings"].values(), *content["vocabularies"].values()]
    if not all(isinstance(t, str) for t in texts):
        raise _damaged(path, f"{next(t for t in texts if not isinstance(t, str))!r} stands where a text belongs")
    for name in ("attributes", "seeds"):
        odd = next((key for key, number in content[name].items() if type(number) is not int), None)
        if odd is not None:
            raise _damaged(path, f"{name} are whole numbers, and {odd!r} is {content[name][odd]!r}")
    if type(content["foreign"]) is not bool:
        raise _damaged(path, "'foreign' is neither true nor false")
    content["columns"], content["opened"] = tuple(content["columns"]), tuple(content["opened"])
    content["sparse"] = {n: _sparse(path, n, said) for n, said in content["sparse"].items()}
    content["tensors"] = {n: _tensor(path, n, said) for n, said in content["tensors"].items()}
    content["files"] = {n: _file(path, n, said) for n, said in content["files"].items()}
    if WEIGHTS not in content["files"] or not set(content["vocabularies"].values()) <= content["files"].keys():
        raise _damaged(path, "a file that it needs is not listed")
    return Manifest(**content)


def _strings(path: Path, name: str, content: dict[str, Any]) -> list[str]:
    value = content[name]
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise _damaged(path, f"{name!r} is no list of names")
    return value


def _sparse(path: Path, name: str, said: Any) -> SparseFacts:
    if not isinstance(said, dict) or said.keys() != {"layout", "shape"} or said["layout"] not in SPARSE.values():
        raise _damaged(path, f"sparse tensor {name!r} lacks its layout or shape")
    return SparseFacts(said["layout"], _shape(path, name, said["shape"]))


def _shape(path: Path, name: str, said: Any) -> tuple[int, ...]:
    if not isinstance(said, list) or not all(type(n) is int and 0 <= n < 2**48 for n in said):
        raise _damaged(path, f"tensor {name!r} has no possible shape")
    return tuple(said)


def _tensor(path: Path, name: str, said: Any) -> TensorFacts:
    if not TENSOR.fullmatch(name):
        raise _damaged(path, f"tensor name {name!r} is not made of letters, digits, _ and dots")
    if not isinstance(said, dict) or said.keys() != {"dtype", "shape"} or not isinstance(said["dtype"], str):
        raise _damaged(path, f"tensor {name!r} lacks its type or shape")
    return TensorFacts(said["dtype"], _shape(path, name, said["shape"]))


def _file(path: Path, name: str, said: Any) -> FileFacts:
    if not FILE.fullmatch(name):
        raise _damaged(path, f"file name {name!r} is none of an artifact")
    if not isinstance(said, dict) or said.keys() != {"bytes", "sha256"} or type(said["bytes"]) is not int:
        raise _damaged(path, f"file {name!r} lacks its size or checksum")
    return FileFacts(said["bytes"], str(said["sha256"]))


def facts_of(data: bytes) -> FileFacts:
    """Size and checksum of what is to be written."""
    return FileFacts(len(data), hashlib.sha256(data).hexdigest())


def read_file(folder: Folder, name: str, said: FileFacts) -> bytes:
    """A file of the folder exactly as the manifest says, which tells how long it is before it is read.

    Raises ArtifactError.
    """
    with folder.open(name) as file:
        if file.size != said.bytes:
            raise _damaged(file.path, f"it has {file.size:,} bytes where the manifest says {said.bytes:,}")
        data = bytes(file.read(file.size))
    if hashlib.sha256(data).hexdigest() != said.sha256:
        raise _damaged(file.path, "its sha256 is not that of the manifest")
    return data


def _damaged(path: Path, how: str) -> ArtifactError:
    message = f"{path} is damaged: {how}. Take a good copy, or store the model again"
    return ArtifactError(message, path=str(path), how=how)
