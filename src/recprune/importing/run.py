"""import_file(): a checkpoint from elsewhere becomes an artifact."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from recprune.artifact.layouts import PARTS, SparseFacts, joined
from recprune.artifact.tensors import Tensors
from recprune.artifact.writing import save
from recprune.data.vocabulary import Vocabulary
from recprune.errors import ArtifactError, SurgeryError
from recprune.tracing.build import named_tensors

__all__ = ["CAP", "Imported", "import_file", "read_foreign"]

CAP = 4 << 30
"""Bytes that a file may take unpacked, and no more than a hundred times its own, or 64 MiB."""
UNKNOWN = "unknown:Model"
CHILD = "recprune.importing.child"
KEPT = {"PATH", "PYTHONPATH", "HOME", "SYSTEMROOT", "TMPDIR"}
"""What the child is told of the environment."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of it: the artifact, its tensors by type and shape, and names that are others than in the file."""

    folder: Path
    tensors: Mapping[str, tuple[str, tuple[int, ...]]]
    renamed: Mapping[str, str]


def import_file(
    path: str | Path,
    folder: str | Path,
    model: nn.Module | None = None,
    *,
    stands_for: str = UNKNOWN,
    rename: Mapping[str, str] | None = None,
    vocabularies: Mapping[str, Vocabulary] | None = None,
    cap: int | None = None,
    notes: Mapping[str, Any] | None = None,
) -> Imported:
    """Make an artifact of a .pt, .npz, .keras or .h5 file.

    model: takes the tensors in place, each under its own name; None stores them as they are, of the class
    `stands_for`, an instance of which has to be given to `load`. A model's own types stay: floats are rounded to them,
    and numbers that would be others in them are refused. rename: how names begin in the file -> how they begin in the
    model; the longest that fits is taken. vocabularies: of its columns, in the order of its rows. cap: bytes that the
    file may take unpacked (None: CAP).
    The file is read in a process of its own, with limits on memory and time. Raises ArtifactError for what is refused.
    """
    path = Path(path)
    found, renamed = _named(path, read_foreign(path, cap), rename or {})
    if model is not None:
        _fill_(path, model, found)
    made = Tensors(found, stands_for) if model is None else model
    save(folder, made, vocabularies=vocabularies, notes=notes, created=f"recprune import {path.name}")
    stored = named_tensors(made)
    facts = {name: (str(t.dtype).removeprefix("torch."), tuple(t.shape)) for name, t in stored.items()}
    return Imported(Path(folder), facts, renamed)


def read_foreign(path: Path, cap: int | None = None, seconds: int | None = None) -> dict[str, Tensor]:
    """Tensors of a foreign file by their names in it, read by another process. Raises ArtifactError."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}", path=str(path)) from error
    if not path.is_file():
        raise ArtifactError(f"{path} is no file; an artifact is loaded as it is", path=str(path))
    most = min(CAP, max(100 * size, 64 << 20)) if cap is None else cap
    with tempfile.TemporaryDirectory(prefix="recprune-") as place:
        out = Path(place) / "tensors"
        said = _asked(path, out, most, seconds or 60 + size // (10 << 20))
        if "refused" in said:
            raise ArtifactError(f"{path} is not imported: {said['refused']}", path=str(path))
        try:
            if out.stat().st_size > most + (64 << 20):
                raise ValueError("it is longer than it may be")
            held = load_file(out)
            parts = {str(name): held[str(number)] for number, name in enumerate(said["names"])}
            sparse = {name: SparseFacts(str(layout), tuple(shape)) for name, (layout, shape) in said["sparse"].items()}
            made = {name: joined(name, facts, parts) for name, facts in sparse.items()}
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, SurgeryError) as error:
            raise ArtifactError(f"{path} is not imported: {error}", path=str(path)) from error
    gone = {f"{name}.{part}" for name, facts in sparse.items() for part in PARTS[facts.layout]}
    return {name: tensor for name, tensor in parts.items() if name not in gone} | made


def _asked(path: Path, out: Path, cap: int, seconds: int) -> dict[str, Any]:
    """What the child says. It sees no input, no secrets of the environment, no plugins of HDF5, and no module that lies
    in the folder that is the current one (-P, and another current folder): the file's neighbours may be as foreign."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "SYSTEMROOT", "TMPDIR") if name in os.environ}
    further = [os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    environment = {**kept, "OMP_NUM_THREADS": "1", "HDF5_PLUGIN_PRELOAD": "::", "PYTHONPATH": os.pathsep.join(further)}
    command = [sys.executable, "-P", "-m", CHILD, str(path.resolve()), str(out), str(cap), str(seconds)]
    done = subprocess.run(
        command, env=environment, cwd=out.parent, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode:
        raise ArtifactError(f"{path} is not imported: {_end(done.returncode, done.stderr)}", path=str(path))
    try:
        said: dict[str, Any] = json.loads(done.stdout)
        if not isinstance(said, dict):
            raise ValueError("no mapping")
    except ValueError as error:
        raise ArtifactError(f"{path} is not imported: its reader said nothing that is known", path=str(path)) from error
    return said


def _end(code: int, stderr: bytes) -> str:
    if code == -getattr(signal, "SIGXCPU", 24) or code == -signal.SIGKILL:
        return "it took longer than is allowed"
    if code < 0:
        return f"its reader ended by {signal.Signals(-code).name}"
    last = stderr.decode(errors="replace").strip().splitlines()[-1:]
    if "MemoryError" in "".join(last):
        return "it takes more memory than is allowed; --cap allows more"
    return f"its reader failed: {''.join(last)[:300]}"


def _named(
    path: Path, found: Mapping[str, Tensor], rename: Mapping[str, str]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors by names of letters, digits, _ and dots; and which names are others than in the file."""
    out, renamed = dict[str, Tensor](), {}
    for name, tensor in found.items():
        begin = max((b for b in rename if name.startswith(b)), key=len, default=None)
        new = name if begin is None else rename[begin] + name[len(begin) :]
        new = ".".join(part for part in re.sub(r"[^A-Za-z0-9_.]", "_", new.replace("/", ".")).split(".") if part)
        if not new or new in out:
            raise ArtifactError(
                f"{path}: two tensors would be called {new!r}; --rename tells them apart", path=str(path)
            )
        out[new] = tensor
        if new != name:
            renamed[name] = new
    if not out:
        raise ArtifactError(f"{path} holds no tensors", path=str(path))
    return out, renamed


def _fill_(path: Path, model: nn.Module, found: Mapping[str, Tensor]) -> None:
    """Put the tensors into the model, in place. Raises ArtifactError where they are not exactly its own."""
    own, aliases = named_tensors(model), model.state_dict(keep_vars=True)
    same = {name: next(n for n, t in own.items() if t is alias) for name, alias in aliases.items() if name not in own}
    missing, extra = sorted(own.keys() - found.keys()), sorted(found.keys() - own.keys() - same.keys())
    odd = [name for name in own.keys() & found.keys() if own[name].shape != found[name].shape]
    untied = [name for name, first in same.items() if name in found and not torch.equal(found[name], found[first])]
    for what, names in (("missing are", missing), ("nobody asked for", extra), ("tied is not", untied)):
        if names:
            raise ArtifactError(
                f"{path} does not fit {type(model).__name__}: {what} {', '.join(names[:4])}. --rename OLD=NEW says "
                "what they are called there, --set what the model is like",
                path=str(path),
            )
    if odd:
        there, here = tuple(found[odd[0]].shape), tuple(own[odd[0]].shape)
        raise ArtifactError(
            f"{path} does not fit {type(model).__name__}: {odd[0]} is {there} there and {here} in the model; --set and "
            "--data say how large it is",
            path=str(path),
        )
    for name, tensor in own.items():
        if not _held(found[name], tensor.dtype):
            raise ArtifactError(
                f"{path} does not fit {type(model).__name__}: {name} holds {found[name].dtype} there, which "
                f"{tensor.dtype} in the model cannot hold. Store it there as the model has it",
                path=str(path),
                tensor=name,
            )
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(found[name])


def _held(found: Tensor, dtype: torch.dtype) -> bool:
    """Whether numbers are the same in another type: floats up to rounding, and never as whole numbers."""
    if found.dtype is dtype:
        return True
    if found.layout is not torch.strided:
        found = found.values() if found.layout is torch.sparse_csr else found.coalesce().values()
    if found.is_complex():
        return False
    there = found.to(dtype)
    if found.is_floating_point():
        return dtype.is_floating_point and torch.equal(there.isfinite(), found.isfinite())
    return torch.equal(there.to(torch.int64), found.to(torch.int64))
