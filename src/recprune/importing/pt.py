"""PyTorch checkpoints: zip files of stored entries, unpickled by `weights_only` and by nothing else."""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from recprune.artifact.layouts import SPARSE, parted
from recprune.importing.refused import Refused, by_name, within
from recprune.importing.zipped import checked_zip

__all__ = ["convert"]

DEPTH = 8
INSIDE = ("state_dict", "model_state_dict", "model", "net", "weights")
"""Where checkpoints keep the tensors of the model, if not at the top."""


def convert(path: Path, out: Path, cap: int) -> dict[str, Any]:
    """Hand over every tensor by its name, those of a list by their places; what is no tensor is left out.

    Raises Refused, also where two would have one name.
    Entries that are packed are refused, and so is any global that `weights_only` does not allow; no other way is tried.
    Sparse tensors are checked when they are made. A view that is wider than its numbers counts as wide as it is.
    """
    with checked_zip(path, cap, stored=True) as file:
        _looked_at(file)
    unsafe = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(str(path)))
    if unsafe:
        raise Refused(
            f"it asks for {', '.join(unsafe[:8])}, which could run code: save model.state_dict() alone, as in "
            "torch.save(model.state_dict(), path)"
        )
    try:
        with torch.sparse.check_sparse_tensor_invariants():  # type: ignore[no-untyped-call]
            found = torch.load(path, map_location="cpu", weights_only=True, mmap=False)
    except MemoryError:
        raise
    except Exception as error:
        said = str(error).partition("\n")[0][:300]
        raise Refused(f"PyTorch does not read it with weights_only: {said}") from error
    return _written(by_name((name, tensor.detach()) for name, tensor in _tensors(_inside(found))), out, cap)


def _written(tensors: Mapping[str, Tensor], out: Path, cap: int) -> dict[str, Any]:
    flat, sparse, total = list[tuple[str, Tensor]](), {}, 0
    for name, tensor in tensors.items():
        parts = {name: tensor}
        if tensor.layout in SPARSE:
            parts, facts = parted(name, tensor)
            sparse[name] = [facts.layout, list(facts.shape)]
        elif tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta:
            raise Refused(f"{name!r} is a tensor that cannot be stored: {tensor.dtype}, {tensor.layout}")
        total += sum(value.numel() * value.element_size() for value in parts.values())
        within(total, cap, "its tensors, written out,")
        flat += [(part, value.clone(memory_format=torch.contiguous_format)) for part, value in parts.items()]
    dense = by_name(flat)
    save_file({str(number): tensor for number, tensor in enumerate(dense.values())}, out)
    return {"names": list(dense), "sparse": sparse}


def _looked_at(file: zipfile.ZipFile) -> None:
    """Raise Refused for pickles that are none: their operations are read one by one, and not carried out."""
    for name in (n for n in file.namelist() if n.endswith(".pkl")):
        try:
            for _ in pickletools.genops(file.read(name)):
                pass
        except Exception as error:
            raise Refused(f"entry {name!r} is no whole pickle: {error}") from error


def _inside(found: Any) -> Any:
    if isinstance(found, Mapping) and not any(isinstance(value, Tensor) for value in found.values()):
        for name in INSIDE:
            if isinstance(found.get(name), Mapping):
                return found[name]
    return found


def _tensors(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name or "tensor", value
    elif isinstance(value, Mapping | list | tuple):
        named = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, part in named:
            if depth < DEPTH:
                yield from _tensors(part, f"{name}.{key}".lstrip("."), depth + 1)
            elif isinstance(part, Tensor):
                raise Refused(f"{name!r} stands too deep: store the tensors under plain names")
