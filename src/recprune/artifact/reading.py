"""load(): a folder becomes a model again, or one clear error."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as from_bytes
from torch import Tensor, nn

from recprune import discover, models
from recprune.artifact.manifest import MANIFEST, PLAN, WEIGHTS, Manifest, read_file, read_manifest
from recprune.artifact.writing import DTYPES
from recprune.atomic import standing
from recprune.data.vocabulary import Vocabulary
from recprune.errors import ArtifactError, DataError, ExtensionError, PlanError, SurgeryError
from recprune.planning.plan import Plan
from recprune.surgery import reshape_

__all__ = ["Loaded", "inspect", "load"]


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A model and what was stored with it. plan: None where there is none."""

    model: nn.Module
    manifest: Manifest
    vocabularies: Mapping[str, Vocabulary]
    plan: Plan | None


def load(folder: str | Path, model: nn.Module | None = None) -> Loaded:
    """Read an artifact, in evaluation mode.

    model: for a class that is not ours, a fresh instance of it; it takes the stored shapes and weights, in place.
    Nothing is imported, evaluated or unpickled. Raises ArtifactError for anything that is not what the manifest says:
    a file missing, extra, longer, shorter or changed, a tensor of another type or shape, NaN or infinite numbers, a
    plan or a vocabulary that does not fit.
    """
    folder = standing(folder)
    manifest = read_manifest(folder)
    _no_others(folder, manifest)
    data = {name: read_file(folder, name, said) for name, said in manifest.files.items()}
    tensors = _tensors(folder, data[WEIGHTS], manifest)
    plan = _plan(folder, data[PLAN], tensors) if PLAN in data else None
    vocabularies = {c: _vocabulary(folder, name, c, data[name]) for c, name in manifest.vocabularies.items()}
    skeleton = model if model is not None else _skeleton(folder, manifest)
    try:
        reshape_(skeleton, tensors, manifest.encodings, manifest.columns or None, manifest.attributes)
    except (SurgeryError, AttributeError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{folder}: the stored tensors do not make this model: {error}", path=str(folder)
        ) from error
    return Loaded(skeleton.eval(), manifest, vocabularies, plan)


def inspect(folder: str | Path) -> dict[str, Any]:
    """What an artifact says of itself, without reading its weights. Raises ArtifactError."""
    manifest = read_manifest(standing(folder))
    said = asdict(manifest)
    said["parameters"] = sum(math.prod(t.shape) for t in manifest.tensors.values())
    said["bytes"] = sum(f.bytes for f in manifest.files.values())
    return said


def _no_others(folder: Path, manifest: Manifest) -> None:
    found = {path.name for path in folder.iterdir()} - {MANIFEST}
    if found != manifest.files.keys():
        odd = sorted(found ^ manifest.files.keys())
        raise ArtifactError(
            f"{folder}: files missing or not of the manifest: {', '.join(odd[:4])}. Take a good copy", path=str(folder)
        )


def _tensors(folder: Path, data: bytes, manifest: Manifest) -> dict[str, Tensor]:
    path = folder / WEIGHTS
    _small_header(path, data, manifest)
    try:
        tensors: dict[str, Tensor] = from_bytes(data)
    except Exception as error:
        raise ArtifactError(f"{path} is no safetensors file: {error}", path=str(path)) from error
    for name in sorted(tensors.keys() | manifest.tensors.keys()):
        said, held = manifest.tensors.get(name), tensors.get(name)
        if said is None or held is None or (DTYPES.get(held.dtype), tuple(held.shape)) != (said.dtype, said.shape):
            raise ArtifactError(f"{path}: tensor {name!r} is not as the manifest says", path=str(path), tensor=name)
        if held.is_floating_point() and not bool(torch.isfinite(held).all()):
            raise ArtifactError(f"{path}: tensor {name!r} holds NaN or infinite numbers", path=str(path), tensor=name)
    return tensors


def _small_header(path: Path, data: bytes, manifest: Manifest) -> None:
    """A header can be no longer than its tensors explain; a longer one is not parsed."""
    most = 4096 + sum(256 + len(name) for name in manifest.tensors)
    if len(data) < 8 or struct.unpack("<Q", data[:8])[0] > most:
        raise ArtifactError(f"{path} has no possible safetensors header", path=str(path))


def _plan(folder: Path, data: bytes, tensors: Mapping[str, Tensor]) -> Plan:
    path = folder / PLAN
    try:
        plan = Plan.from_json(data.decode("utf-8"))
    except (PlanError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path}: {error}", path=str(path)) from error
    for row in plan.account().rows:
        if (
            row.tensor not in plan.encodings
            and tuple(tensors[row.tensor].shape if row.tensor in tensors else ()) != row.after
        ):
            raise ArtifactError(f"{path} does not fit the weights: tensor {row.tensor!r}", path=str(path))
    return plan


def _vocabulary(folder: Path, name: str, column: str, data: bytes) -> Vocabulary:
    try:
        ids = json.loads(data.decode("utf-8"))
        if not isinstance(ids, list) or not all(isinstance(key, str) for key in ids):
            raise ValueError("it is no list of ids")
        return Vocabulary(column, ids)
    except (ValueError, RecursionError, DataError) as error:
        raise ArtifactError(f"{folder / name}: {error}", path=str(folder / name)) from error


def _skeleton(folder: Path, manifest: Manifest) -> nn.Module:
    """A built-in model by its name; a foreign one has to be given."""
    if manifest.foreign:
        raise ArtifactError(
            f"{folder} holds a model of the class {manifest.model}, which is not part of recprune: give a fresh "
            "instance, as in recprune.load(folder, model=YourModel(...))",
            path=str(folder),
        )
    try:
        if ":" in manifest.model:
            raise ExtensionError("a built-in name has no ':'")
        kind = discover.load(models, manifest.model)
        with torch.device("meta"):  # shapes only: the larger model is never held, whatever the manifest says
            made: nn.Module = kind(**manifest.config)
    except Exception as error:
        raise ArtifactError(f"{folder}: model {manifest.model!r} cannot be built: {error}", path=str(folder)) from error
    return made
