"""The weights file: its header is compared with the manifest, word by word, before room is made for a single tensor."""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from recprune.artifact.manifest import WEIGHTS, FileFacts, Manifest, TensorFacts
from recprune.artifact.opening import Folder, Opened
from recprune.errors import ArtifactError
from recprune.plain_json import read_json
from recprune.planning.file_size import DTYPES

__all__ = ["bytes_of", "longest_header", "read_weights"]

TYPES: Mapping[str, torch.dtype] = {said: dtype for dtype, said in DTYPES.items()}
PIECE = 1 << 22
"""Numbers that are looked at, at a time."""


def read_weights(folder: Folder, manifest: Manifest) -> dict[str, Tensor]:
    """Every tensor of the weights file, each in memory of its own, exactly as the manifest says.

    One pass: the file is hashed while it is read, and no more memory is taken than the tensors need. Raises
    ArtifactError for a header that is too long, a tensor missing, extra, of another type, shape or place, holes between
    tensors, numbers that are NaN or infinite, and any other checksum.
    """
    said = manifest.files[WEIGHTS]
    with folder.open(WEIGHTS) as file:
        if file.size != said.bytes:
            raise _damaged(file, f"it has {file.size:,} bytes where the manifest says {said.bytes:,}")
        header = _header(file, manifest)
        places = _places(file, header, manifest)
        digest = hashlib.sha256(len(header).to_bytes(8, "little") + header)
        tensors = {name: _tensor(file, manifest.tensors[name], digest) for name in places}
    _same_sum(file, digest.hexdigest(), said)
    for name, tensor in tensors.items():
        odd = _odd(tensor)
        if odd:
            raise ArtifactError(f"{file.path}: tensor {name!r} holds {odd}", path=str(file.path), tensor=name)
    return {name: tensors[name] for name in manifest.tensors}


def bytes_of(facts: TensorFacts) -> int:
    """Bytes of a tensor as it is stored."""
    return TYPES[facts.dtype].itemsize * math.prod(facts.shape)


def longest_header(tensors: Mapping[str, TensorFacts]) -> int:
    """Bytes that a header can have, at most a mebibyte; a longer one is not parsed."""
    return min(1 << 20, 4096 + sum(256 + len(name) for name in tensors))


def _header(file: Opened, manifest: Manifest) -> bytes:
    odd = next((name for name, facts in manifest.tensors.items() if facts.dtype not in TYPES), None)
    if odd is not None:
        raise _damaged(file, f"tensor {odd!r} is of type {manifest.tensors[odd].dtype!r}, which is none of an artifact")
    total = sum(bytes_of(facts) for facts in manifest.tensors.values())
    length = int.from_bytes(file.read(8), "little") if file.size >= 8 else -1
    if not 2 <= length <= longest_header(manifest.tensors) or 8 + length + total != file.size:
        raise ArtifactError(f"{file.path} has no possible safetensors header", path=str(file.path))
    return bytes(file.read(length))


def _places(file: Opened, header: bytes, manifest: Manifest) -> list[str]:
    """Names in the order in which their tensors stand in the file, one behind the other."""
    try:
        said: Any = read_json(header)
    except ValueError as error:
        raise ArtifactError(f"{file.path} is no safetensors file: {error}", path=str(file.path)) from error
    if not isinstance(said, dict):
        raise ArtifactError(f"{file.path} is no safetensors file: its header is no mapping", path=str(file.path))
    for name in sorted(said.keys() | manifest.tensors.keys()):
        facts, held = manifest.tensors.get(name), said.get(name)
        if facts is None or not _is(held, facts):
            raise ArtifactError(
                f"{file.path}: tensor {name!r} is not as the manifest says", path=str(file.path), tensor=name
            )
    at = 0
    order = sorted(said, key=lambda name: tuple(said[name]["data_offsets"]))
    for name in order:
        begin, end = said[name]["data_offsets"]
        if begin != at or end - begin != bytes_of(manifest.tensors[name]):
            raise _damaged(file, f"tensor {name!r} does not begin where the one before it ends")
        at = end
    return order


def _is(held: Any, facts: TensorFacts) -> bool:
    if not isinstance(held, dict) or held.keys() != {"dtype", "shape", "data_offsets"}:
        return False
    shape, place = held["shape"], held["data_offsets"]
    numbers = isinstance(shape, list) and isinstance(place, list) and all(type(n) is int for n in [*shape, *place])
    return numbers and len(place) == 2 and (held["dtype"], tuple(shape)) == (facts.dtype, facts.shape)


def _tensor(file: Opened, facts: TensorFacts, digest: Any) -> Tensor:
    try:
        tensor = torch.empty(facts.shape, dtype=TYPES[facts.dtype])
    except (RuntimeError, TypeError) as error:
        raise _damaged(file, f"there is no memory for a tensor of {bytes_of(facts):,} bytes ({error})") from error
    if tensor.numel():
        place = tensor.view(-1).view(torch.uint8).numpy().data
        file.fill(place)
        digest.update(place)
        if sys.byteorder == "big" and tensor.element_size() > 1:  # files are little-endian everywhere
            numbers = tensor.view(-1).view(torch.uint8).view(-1, tensor.element_size())
            numbers.copy_(numbers.flip(1).clone())
    return tensor


def _odd(tensor: Tensor) -> str:
    """What a tensor holds that it cannot hold; empty where there is nothing of that kind."""
    if tensor.dtype is torch.bool:
        parts = torch.split(tensor.view(-1).view(torch.uint8), PIECE)
        return (
            "" if all(not part.numel() or int(part.max()) <= 1 for part in parts) else "bytes that are neither 0 nor 1"
        )
    if not tensor.is_floating_point():
        return ""
    finite = all(bool(torch.isfinite(part).all()) for part in torch.split(tensor.view(-1), PIECE))
    return "" if finite else "NaN or infinite numbers"


def _same_sum(file: Opened, found: str, said: FileFacts) -> None:
    if found != said.sha256:
        raise _damaged(file, "its sha256 is not that of the manifest")


def _damaged(file: Opened, how: str) -> ArtifactError:
    return ArtifactError(
        f"{file.path} is damaged: {how}. Take a good copy, or store the model again", path=str(file.path)
    )
