"""load(): a folder becomes a model again, or one clear error."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from recprune import discover, models
from recprune.artifact.layouts import PARTS, joined
from recprune.artifact.manifest import MANIFEST, PLAN, PROOF, SPEEDS, WEIGHTS, Manifest, read_file, read_manifest
from recprune.artifact.opening import Folder
from recprune.artifact.proof import Proof
from recprune.artifact.reshape import reshape_
from recprune.artifact.rows import misfit, shape_of, stray, unlike
from recprune.artifact.speeds import Speeds
from recprune.artifact.undrawn import Undrawn
from recprune.artifact.weights import read_weights
from recprune.atomic import standing
from recprune.data.bins import vocabulary_of
from recprune.data.vocabulary import Vocabulary
from recprune.errors import ArtifactError, DataError, ExtensionError, SurgeryError
from recprune.plain_json import read_json
from recprune.planning.file_size import DTYPES
from recprune.planning.plan import Plan
from recprune.rewrites.open_attention import opened_attention
from recprune.surgery import absent_after
from recprune.tracing.absent import fill_absent_

__all__ = ["Loaded", "inspect", "load"]

SEEN = ("running_mean", "running_var")
"""Tensors of a batch norm that are stored and not learned."""
TIMES = 20
"""That a folder is read anew at most, as another takes its place each time."""
Read = TypeVar("Read")
FLOATS = frozenset(name for dtype, name in DTYPES.items() if dtype.is_floating_point)


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A model and what was stored with it. plan, proof, speeds: None where there is none."""

    model: nn.Module
    manifest: Manifest
    vocabularies: Mapping[str, Vocabulary]
    plan: Plan | None
    proof: Proof | None = None
    speeds: Speeds | None = None


def load(folder: str | Path, model: nn.Module | None = None) -> Loaded:
    """Read an artifact, in evaluation mode.

    model: for a class that is not ours, a fresh instance of it; it takes the stored shapes and weights, in place.
    Nothing is imported, evaluated or unpickled. Raises ArtifactError for anything that is not what the manifest says:
    a file missing, extra, longer, shorter or changed, a tensor of another type or shape, NaN or infinite numbers, codes
    that no encoding makes, a plan or a vocabulary that does not fit. An encoding of one's own must have been imported.
    """
    return _made(*_steadily(folder, _read), model)


def _read(there: Folder) -> tuple[Path, Manifest, dict[str, bytes], dict[str, Tensor]]:
    manifest = read_manifest(there)
    _no_others(there, manifest)
    data = {n: read_file(there, n, said) for n, said in manifest.files.items() if n != WEIGHTS}
    return there.path, manifest, data, _joined(there.path, read_weights(there, manifest), manifest)


def _made(
    folder: Path, manifest: Manifest, data: Mapping[str, bytes], tensors: dict[str, Tensor], model: nn.Module | None
) -> Loaded:
    _imported(folder, manifest.encodings.values())
    plan = _plan(folder, data[PLAN], tensors, manifest) if PLAN in data else None
    proof = _proof(folder, data[PROOF], plan, manifest) if PROOF in data else None
    speeds = _speeds(folder, data[SPEEDS], manifest) if SPEEDS in data else None
    vocabularies = {c: _vocabulary(folder, name, c, data[name]) for c, name in manifest.vocabularies.items()}
    shape = partial(shape_of, tensors=tensors, encodings=manifest.encodings)
    odd = misfit(vocabularies, plan, shape) or ("" if manifest.foreign else stray(tensors, shape))
    if odd:
        raise ArtifactError(f"{folder}: {odd}", path=str(folder))
    skeleton = model if model is not None else _skeleton(folder, manifest)
    try:
        skeleton = opened_attention(skeleton, manifest.opened)
        reshape_(skeleton, tensors, manifest.encodings, manifest.columns or None, manifest.attributes)
        fill_absent_(skeleton, absent_after(plan) if plan is not None else ())
    except (SurgeryError, ExtensionError, AttributeError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{folder}: the stored tensors do not make this model: {error}", path=str(folder)
        ) from error
    return Loaded(skeleton.eval(), manifest, vocabularies, plan, proof, speeds)


def _steadily(path: str | Path, read: Callable[[Folder], Read]) -> Read:
    """What `read` makes of the folder; anew where another one has taken its place meanwhile, and it was removed."""
    for _ in range(TIMES):
        stood = _standing_now(path)
        try:
            with _opened(path) as there:
                return read(there)
        except ArtifactError:
            if _standing_now(path) == stood:
                raise
    with _opened(path) as there:
        return read(there)


def _standing_now(path: str | Path) -> tuple[int, ...]:
    """Tells the folder at a path from all that stood there before; empty where there is none."""
    with suppress(OSError):
        facts = os.stat(standing(path))
        return facts.st_dev, facts.st_ino, facts.st_ctime_ns
    return ()


def _opened(path: str | Path) -> Folder:
    """The folder, or why it is none."""
    folder = standing(path)
    if not folder.exists():
        raise ArtifactError(f"{folder} does not exist; `recprune train` and `apply` make artifacts", path=str(folder))
    if not folder.is_dir():
        raise ArtifactError(
            f"{folder} is a file, not an artifact folder. Pickles, .pt, .npz and .keras files are never loaded: "
            f"`recprune import {folder} -o FOLDER` makes an artifact of one, in a process of its own. A log is read by "
            "`recprune prepare`, and `recprune train` makes a model of it",
            path=str(folder),
        )
    return Folder(folder)


def inspect(folder: str | Path) -> dict[str, Any]:
    """What an artifact says of itself, without reading its weights. Raises ArtifactError.

    `parameters`: the values that make up the model, other buffers of floats among them; where entries stand is none,
    and neither is what a batch norm has seen (its running mean and variance). `bytes_of`: what weights, plan, proof,
    runtimes, vocabularies and manifest take; `bytes`: all but the last of them.
    """
    manifest, size = _steadily(folder, _facts)
    said = asdict(manifest)
    sizes = {name: facts.bytes for name, facts in manifest.files.items()}
    said["bytes_of"] = {
        "weights": sizes[WEIGHTS],
        "plan": sizes.get(PLAN, 0),
        "proof": sizes.get(PROOF, 0),
        "runtimes": sizes.get(SPEEDS, 0),
        "vocabularies": sum(sizes[name] for name in manifest.vocabularies.values()),
        "manifest": size,
    }
    said["parameters"] = sum(_entries(name, manifest) for name in manifest.tensors if not _seen(name, manifest))
    said["bytes"] = sum(f.bytes for f in manifest.files.values())
    return said


def _facts(there: Folder) -> tuple[Manifest, int]:
    with there.open(MANIFEST) as file:
        return read_manifest(there), file.size


def _no_others(folder: Folder, manifest: Manifest) -> None:
    found = folder.names() - {MANIFEST}
    missing, more = sorted(manifest.files.keys() - found), sorted(found - manifest.files.keys())
    if missing or more:
        told = [f"files missing: {', '.join(map(repr, missing[:4]))}. Take a good copy"] if missing else []
        told += [f"files not of the manifest: {', '.join(map(repr, more[:4]))}. Move them away"] if more else []
        raise ArtifactError(f"{folder.path}: {'; '.join(told)}", path=str(folder.path))


def _joined(folder: Path, tensors: Mapping[str, Tensor], manifest: Manifest) -> dict[str, Tensor]:
    """Sparse tensors in the place of their parts."""
    parts = {f"{name}.{part}" for name, facts in manifest.sparse.items() for part in PARTS[facts.layout]}
    try:
        made = {name: joined(name, facts, tensors) for name, facts in manifest.sparse.items()}
    except SurgeryError as error:
        raise ArtifactError(f"{folder / WEIGHTS}: {error}", path=str(folder / WEIGHTS)) from error
    return {name: tensor for name, tensor in tensors.items() if name not in parts} | made


def _imported(folder: Path, names: Iterable[str]) -> None:
    """Raise ArtifactError for an encoding that is not ours and was not imported: nothing is imported here."""
    for name in names:
        where, _, own = name.partition(":")
        if own and where not in sys.modules:
            raise ArtifactError(
                f"{folder} holds a tensor stored by {name.partition('(')[0]}, which is not part of recprune: "
                f"import {where} first",
                path=str(folder),
            )


def _plan(folder: Path, data: bytes, tensors: Mapping[str, Tensor], manifest: Manifest) -> Plan:
    path = folder / PLAN
    try:
        plan = Plan.from_json(data.decode("utf-8"), _units(manifest))
        _imported(folder, plan.encodings.values())
        odd = unlike(plan, partial(shape_of, tensors=tensors, encodings=manifest.encodings))
    except ArtifactError:
        raise
    except Exception as error:  # whatever a survey of odd shapes leads to
        raise ArtifactError(f"{path}: {error}", path=str(path)) from error
    if odd:
        raise ArtifactError(f"{path} does not fit the weights: tensor {odd!r}", path=str(path))
    return plan


def _units(manifest: Manifest) -> int:
    """Most units that can stay in these weights: each has at least a bit there."""
    return 8 * manifest.files[WEIGHTS].bytes + (1 << 16)


def _proof(folder: Path, data: bytes, plan: Plan | None, manifest: Manifest) -> Proof:
    path = folder / PROOF
    try:
        proof = Proof.from_json(data.decode("utf-8"))
    except (ArtifactError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path}: {error}", path=str(path)) from error
    if proof.weights != manifest.files[WEIGHTS].sha256 or plan is None or proof.before != plan.survey.fingerprint:
        raise ArtifactError(f"{path} proves other weights, or another plan. Store the model again", path=str(path))
    return proof


def _speeds(folder: Path, data: bytes, manifest: Manifest) -> Speeds:
    path = folder / SPEEDS
    try:
        speeds = Speeds.from_json(data.decode("utf-8"))
    except (ArtifactError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path}: {error}", path=str(path)) from error
    if speeds.weights != manifest.files[WEIGHTS].sha256:
        raise ArtifactError(f"{path} tells of other weights. Store the model again", path=str(path))
    return speeds


def _seen(name: str, manifest: Manifest) -> bool:
    """Whether a tensor is what a batch norm has seen: torch names them so, and both are there."""
    path, _, part = name.rpartition(".")
    return part in SEEN and all(f"{path}.{other}" in manifest.tensors for other in SEEN)


def _entries(name: str, manifest: Manifest) -> int:
    """Numbers of a tensor of floats; of codes, the entries that they stand for, and none for what is stored beside
    them. Whole numbers say where entries stand, or count: they are no parameters."""
    path, _, part = name.rpartition(".")
    shape, like = manifest.tensors[name].shape, manifest.tensors.get(f"{path}.like")
    of = path.removesuffix(".stored")
    if like is None or manifest.encodings.keys().isdisjoint((of, f"{of}.weight")):
        return math.prod(shape) if manifest.tensors[name].dtype in FLOATS else 0
    if part != "codes":
        return 0
    if f"{path}.starts" in manifest.tensors:  # of codes of 4 bits there are two a byte
        return math.prod(shape) * (2 if manifest.tensors[name].dtype == DTYPES[torch.uint8] else 1)
    some = f"{path}.indices" in manifest.tensors
    return math.prod(shape) if some else math.prod(shape[:1]) * math.prod(like.shape[1:])


def _vocabulary(folder: Path, name: str, column: str, data: bytes) -> Vocabulary:
    try:
        ids = read_json(data)
        if not isinstance(ids, list) or not all(isinstance(key, str) for key in ids):
            raise ValueError("it is no list of ids")
        return vocabulary_of(column, ids)
    except (ValueError, DataError) as error:
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
        with torch.device("meta"), Undrawn():  # shapes only: the larger model is never held, whatever the manifest says
            made: nn.Module = kind(**manifest.config)
    except Exception as error:
        raise ArtifactError(f"{folder}: model {manifest.model!r} cannot be built: {error}", path=str(folder)) from error
    return made
