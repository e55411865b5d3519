"""The files of a checkpoint whose tables lie in shards: one a worker, and read by any number of workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from recprune.atomic import write_bytes
from recprune.errors import ArtifactError

__all__ = ["Ranges", "read_rows", "remove_others", "write_shard"]

Ranges = Sequence[Sequence[int]]
"""First row and end of a tensor, file by file."""


def write_shard(path: Path, number: int, rank: int, size: int, tensors: Mapping[str, Tensor]) -> list[str]:
    """Write one worker's rows beside the checkpoint `path`, and tell the names of all workers' files, relative to its
    folder. number: of the checkpoint; files of another one stay until `remove_others`. Raises OSError."""
    names = [f"{path.name}.shards/{number:06}-{one:05}-of-{size:05}.safetensors" for one in range(size)]
    place = path.parent / names[rank]
    place.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(place, save({name: tensor.contiguous() for name, tensor in tensors.items()}))
    return names


def remove_others(path: Path, names: Sequence[str]) -> None:
    """Remove the files of other checkpoints of this path."""
    stay = {path.parent / name for name in names}
    folder = path.parent / f"{path.name}.shards"
    for file in folder.glob("*.safetensors") if folder.is_dir() else ():
        if file not in stay:
            file.unlink(missing_ok=True)


def read_rows(path: Path, names: Sequence[str], ranges: Ranges, tensor: str, begin: int, end: int | None) -> Tensor:
    """Rows begin to end of a tensor, from the files that hold them. Raises ArtifactError where one is missing or has
    other rows than it should."""
    parts: list[Tensor] = []
    end = ranges[-1][1] if end is None else end
    for name, (first, last) in zip(names, ranges, strict=True):
        low, high = max(begin, first), min(end, last)
        if low < high or (not parts and name == names[-1]):
            parts.append(_rows(path, path.parent / name, tensor, low - first, max(high, low) - first, last - first))
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def _rows(path: Path, file: Path, tensor: str, begin: int, end: int, rows: int) -> Tensor:
    try:
        with safe_open(file, framework="pt") as opened:
            found: Any = opened.get_slice(tensor)
            if found.get_shape()[0] != rows:
                raise ValueError(f"{tensor} has {found.get_shape()[0]} rows and not {rows}")
            part: Tensor = found[begin:end]
            return part
    except (SafetensorError, OSError, ValueError) as error:
        raise ArtifactError(
            f"{file} is no whole shard of the checkpoint {path} ({error}); remove {path} to train anew", path=file
        ) from error
