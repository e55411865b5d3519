"""save(): a model becomes a folder, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

import recprune
from recprune import discover, models
from recprune.artifact.layouts import SPARSE, SparseFacts, parted
from recprune.artifact.manifest import (
    FILE,
    FORMAT,
    KIND,
    LARGEST,
    MANIFEST,
    NEEDS,
    PLAN,
    PROOF,
    TENSOR,
    WEIGHTS,
    Manifest,
    TensorFacts,
    facts_of,
    parsed,
    read_manifest,
)
from recprune.artifact.opening import Folder
from recprune.artifact.proof import Proof
from recprune.artifact.rows import Shape, misfit, shape_of, stray, unlike
from recprune.artifact.tensors import Tensors
from recprune.artifact.weights import longest_header
from recprune.atomic import replace_folder, room_for, write_file
from recprune.data.vocabulary import Vocabulary
from recprune.encodings.folded import FOLDED
from recprune.encodings.item_item import ItemItem
from recprune.encodings.placing import packed_weights
from recprune.encodings.spelled import name_of
from recprune.errors import ArtifactError
from recprune.plain_json import read_json
from recprune.planning.file_size import DTYPES
from recprune.planning.plan import Plan
from recprune.rewrites.fold_norm import FoldedNorm
from recprune.rewrites.open_attention import OpenAttention
from recprune.surgery import attributes_after
from recprune.tracing.build import named_tensors

__all__ = ["checksum", "save"]


def save(
    folder: str | Path,
    model: nn.Module,
    *,
    vocabularies: Mapping[str, Vocabulary] | None = None,
    plan: Plan | None = None,
    metrics: Mapping[str, Any] | None = None,
    seeds: Mapping[str, int] | None = None,
    notes: Mapping[str, Any] | None = None,
    created: str = "",
    proof: Proof | None = None,
) -> Path:
    """Store a model; an artifact that stood there stays until the new one is whole and on the disk.

    plan: the plan that made it, kept beside the weights. vocabularies: of its columns, as they are now. metrics, seeds,
    notes: plain data, kept as given; seeds are whole numbers. proof: that these very weights answer as the masked
    original did. Raises ArtifactError for weights that are not finite, what `load` would not take back, a plan that did
    not make these, a tensor that cannot be stored, a proof of other weights, a folder in the way that is no artifact, a
    disk that fails or is full, and where another process writes the same artifact.
    """
    folder = Path(folder)
    _refuse_others(folder)
    tensors, sparse = _parts(model)
    (name, foreign), encodings, whole = _name_of(model), _encodings(model), named_tensors(model)
    shape = partial(shape_of, tensors=whole, encodings=encodings)
    if odd := misfit(vocabularies or {}, plan, shape):
        raise ArtifactError(f"{odd}. Restrict it to the ids that stay, as `recprune.prune` does", path=str(folder))
    if odd := "" if foreign else stray(whole, shape):
        raise ArtifactError(f"{folder}: {odd}. Store the model as it was built, or as `apply` cut it", path=str(folder))
    files = {WEIGHTS: to_bytes(tensors)}
    if plan is not None:
        _refuse_unlike(folder, plan, shape)
        files[PLAN] = plan.to_json(indent=None).encode()
    if proof is not None:
        if proof.weights != facts_of(files[WEIGHTS]).sha256:
            raise ArtifactError("the proof is of other weights: prove these, or store them without one")
        files[PROOF] = proof.to_json().encode()
    places = {}
    for number, (column, vocabulary) in enumerate((vocabularies or {}).items()):
        places[column] = f"vocabulary-{number}.json"
        files[places[column]] = json.dumps(list(vocabulary.ids), ensure_ascii=False, separators=(",", ":")).encode()
    manifest = Manifest(
        kind=KIND,
        format=FORMAT,
        version=recprune.__version__,
        needs=NEEDS,
        model=name,
        foreign=foreign,
        config=dict(getattr(model, "config", {})) if not foreign else {},
        columns=tuple(getattr(model, "columns", ())),
        tensors={n: TensorFacts(DTYPES[t.dtype], tuple(t.shape)) for n, t in tensors.items()},
        files={n: facts_of(data) for n, data in files.items()},
        encodings=encodings,
        attributes=_attributes(model, plan),
        sparse=sparse,
        opened=tuple(path for path, module in model.named_modules() if isinstance(module, OpenAttention)),
        vocabularies=places,
        metrics=dict(metrics or {}),
        seeds=dict(seeds or {}),
        notes=dict(notes or {}),
        created=created,
    )
    _write(folder, files, manifest)
    return folder


def checksum(model: nn.Module) -> str:
    """sha256 of the weights file that a model makes. Raises ArtifactError for one that cannot be stored."""
    return facts_of(to_bytes(_parts(model)[0])).sha256


def _write(folder: Path, files: Mapping[str, bytes], manifest: Manifest) -> None:
    text = _text(folder, manifest)
    longest, header = longest_header(manifest.tensors), int.from_bytes(files[WEIGHTS][:8], "little")
    if header > longest or len(text) > LARGEST:
        raise ArtifactError(
            f"the header of {len(manifest.tensors):,} tensors takes {header:,} bytes and the manifest {len(text):,}; "
            f"{longest:,} and {LARGEST:,} are read. Merge small tensors, or keep metrics and notes elsewhere",
            path=str(folder),
        )

    def write(fresh: Path) -> None:
        for name, data in {**files, MANIFEST: text}.items():
            write_file(fresh / name, data)

    try:
        room_for(folder, len(text) + sum(map(len, files.values())))
        replace_folder(folder, write)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise ArtifactError(
            f"{folder} cannot be written: {error.strerror or error}{where}. What stood there before stands",
            path=str(folder),
            errno=error.errno,
        ) from error


def _text(folder: Path, manifest: Manifest) -> bytes:
    """The manifest as it is written. Raises ArtifactError for one that `load` would not take back."""
    for name in ("config", "columns", "metrics", "seeds", "notes", "created"):
        try:
            read_json(json.dumps(getattr(manifest, name), ensure_ascii=False, allow_nan=False).encode())
        except (TypeError, ValueError, RecursionError) as error:
            raise ArtifactError(
                f"{folder} is not written: {name} must be plain data, each of its keys a text of its own: {error}",
                path=str(folder),
                part=name,
            ) from error
    text = manifest.to_json().encode()
    try:
        parsed(folder / MANIFEST, text)
    except ArtifactError as error:
        raise ArtifactError(
            f"{folder} is not written, for it could not be loaded: {error.how}", path=str(folder)
        ) from error
    return text


def _refuse_others(folder: Path) -> None:
    """Raise ArtifactError where writing would remove what is no artifact, or stands in one without being of it."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if not folder.exists() or (folder.is_dir() and not names):
        return
    others = sorted(name for name in names - {MANIFEST} if not FILE.fullmatch(name))
    if MANIFEST not in names:
        reason = "it is not empty and no artifact"
    elif others:
        reason = f"it holds {others[0]!r}, which is none of an artifact's files"
    else:
        try:
            with Folder(folder) as there:
                read_manifest(there)
            return
        except ArtifactError as error:
            if _says_so(folder / MANIFEST):
                return
            reason = str(error)
    raise ArtifactError(f"{folder} is in the way ({reason}); name another folder, or remove it", path=str(folder))


def _refuse_unlike(folder: Path, plan: Plan, shape: Shape) -> None:
    """Raise ArtifactError for a plan that did not make these weights: `load` would not take it back."""
    if odd := unlike(plan, shape):
        raise ArtifactError(
            f"{folder} is not written: the plan leaves {odd!r} in another shape than the model has it. Store what "
            "`apply` or `prune` made by this plan, or the model without a plan",
            path=str(folder),
            tensor=odd,
        )


def _says_so(manifest: Path) -> bool:
    """Whether a manifest, damaged as it may be, was one of an artifact."""
    with manifest.open("rb") as file:
        return KIND.encode() in file.read(LARGEST)


def _parts(model: nn.Module) -> tuple[dict[str, Tensor], dict[str, SparseFacts]]:
    """Dense tensors by their names in the file; of a sparse one its parts, and what is needed to join them."""
    tensors, sparse = {}, {}
    for name, tensor in named_tensors(model).items():
        parts = {name: tensor}
        if tensor.layout in SPARSE:
            parts, sparse[name] = parted(name, tensor)
        tensors.update({part: _storable(part, value) for part, value in parts.items()})
    return tensors, sparse


def _attributes(model: nn.Module, plan: Plan | None) -> dict[str, int]:
    """Widths that modules hold as whole numbers: those that the plan changed, and all of opened attention."""
    found = attributes_after(plan) if plan is not None else {}
    for path, module in model.named_modules():
        if isinstance(module, OpenAttention):
            widths = ("num_heads", "head_dim", "scale_dim", "embed_dim")
            found |= {f"{path}.{name}".lstrip("."): int(getattr(module, name)) for name in widths}
    return found


def _storable(name: str, tensor: Tensor) -> Tensor:
    if not TENSOR.fullmatch(name):
        raise ArtifactError(f"tensor name {name!r} cannot be stored: letters, digits, _ and dots only", tensor=name)
    if tensor.dtype not in DTYPES or tensor.layout is not torch.strided:
        raise ArtifactError(f"tensor {name!r} of type {tensor.dtype}, {tensor.layout} cannot be stored", tensor=name)
    if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
        bad = int((~torch.isfinite(tensor)).sum())
        raise ArtifactError(
            f"tensor {name!r} holds {bad:,} numbers that are NaN or infinite; a model is stored only when all its "
            "numbers are finite: train it again with a smaller learning rate",
            tensor=name,
        )
    return tensor.detach().cpu().contiguous()


def _encodings(model: nn.Module) -> dict[str, str]:
    """Tensor -> the encoding that stores it; codes that several modules share once, by the first of them. Tensors of a
    norm that the layer before it has taken in are named too."""
    found = {f"{path}.weight": "item_item" for path, m in model.named_modules() if isinstance(m, ItemItem)}
    seen: set[int] = set()
    for name, packed in packed_weights(model):
        if id(packed.stored) not in seen:
            seen.add(id(packed.stored))
            found[name] = name_of(type(packed.stored))
    for path, module in model.named_modules():
        if isinstance(module, FoldedNorm):
            found |= {f"{path}.{name}": FOLDED for name in module.names}
    return found


def _name_of(model: nn.Module) -> tuple[str, bool]:
    """The name of a built-in model, or the class of a foreign one."""
    if isinstance(model, Tensors):
        return model.stands_for, True
    kind = type(model)
    package, _, name = kind.__module__.rpartition(".")
    if package == models.__name__ and name in discover.names(models) and discover.load(models, name) is kind:
        return name, False
    return f"{kind.__module__}:{kind.__qualname__}", True
