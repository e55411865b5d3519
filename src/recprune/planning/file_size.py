"""file_size: bytes of a file of tensors before it is written. safetensors: a length, a header, the numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from recprune.encodings.folded import FOLDED
from recprune.encodings.item_item import stored_bytes
from recprune.encodings.placing import parts_of
from recprune.encodings.spelled import Encoding, of_entries, spelled
from recprune.planning.held import absorbed, sparse_matrices
from recprune.tracing.site import Survey

__all__ = ["DTYPES", "Facts", "file_size", "packed_facts", "planned_facts"]

DTYPES: Mapping[torch.dtype, str] = {
    torch.bool: "BOOL",
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.int16: "I16",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int32: "I32",
    torch.float32: "F32",
    torch.float64: "F64",
    torch.int64: "I64",
}
"""Types that can be stored, as safetensors names them; in its order, which puts the last of them first in a file."""

Facts = tuple[torch.dtype, Sequence[int]]
"""Type and shape of a tensor."""


def file_size(tensors: Mapping[str, Facts]) -> int:
    """Bytes of the safetensors file of these tensors: eight for the length of the header, the header, the numbers.

    The header is JSON without blanks, filled up to a multiple of eight; places of the numbers stand in it, so that its
    length depends on their order: by type, then by name. https://github.com/huggingface/safetensors, "Format".
    """
    order = {dtype: place for place, dtype in enumerate(DTYPES)}
    header, begin = 2, 0
    for name, (dtype, shape) in sorted(tensors.items(), key=lambda one: (-order[one[1][0]], one[0])):
        end = begin + dtype.itemsize * math.prod(shape)
        sizes = ",".join(str(size) for size in shape)
        entry = f'"{name}":{{"dtype":"{DTYPES[dtype]}","shape":[{sizes}],"data_offsets":[{begin},{end}]}},'
        header, begin = header + len(entry), end
    header -= 1 if tensors else 0
    return 8 + -(-header // 8) * 8 + begin


def planned_facts(
    survey: Survey, left: Mapping[str, tuple[tuple[int, ...], int]], encodings: Mapping[str, str]
) -> dict[str, Facts]:
    """The tensors of the file of a smaller model. left: tensor -> its shape then, and how many entries of it stay."""
    out: dict[str, Facts] = {}
    sparse, inside = sparse_matrices(survey), absorbed(survey, encodings)
    for name, (shape, entries) in left.items():
        dtype, encoding = _type(survey, name), encodings.get(name)
        if name in inside or encoding == FOLDED:
            continue
        if encoding is not None and name in sparse and entries:
            chosen = of_entries(encoding, entries)
            out |= packed_facts({name: (dtype, sparse[name].shape)}, {name: chosen})
        elif encoding == "item_item":
            out |= _of_entries(f"{name.rpartition('.')[0]}.", shape, entries, dtype)
        elif encoding is None or not math.prod(shape):
            out[name] = dtype, shape
        else:
            chosen = spelled(encoding)
            if entries < math.prod(shape) and "entries" in chosen.kind.known:
                chosen = replace(chosen, options={"entries": entries, **chosen.options})
            out |= packed_facts({name: (dtype, shape)}, {name: chosen})
    return out


def _of_entries(path: str, shape: tuple[int, ...], entries: int, dtype: torch.dtype) -> dict[str, Facts]:
    """The parts of an item-item matrix by the entries that stay."""
    rows = shape[0]
    index = torch.int16 if stored_bytes(shape, 1, 0) == 2 + 4 * (rows + 1) else torch.int32
    parts: dict[str, Facts] = {"values": (dtype, (entries,)), "indices": (index, (entries,))}
    return {f"{path}{part}": facts for part, facts in (parts | {"indptr": (torch.int32, (rows + 1,))}).items()}


def _type(survey: Survey, name: str) -> torch.dtype:
    """Where an old plan does not tell it, the one of that size with the longest name."""
    width = survey.bytes_per_entry[name]
    found = getattr(torch, survey.types.get(name, ""), {1: torch.bool, 2: torch.bfloat16, 4: torch.float32}.get(width))
    return found if isinstance(found, torch.dtype) else torch.float64


def packed_facts(tensors: Mapping[str, Facts], encodings: Mapping[str, Encoding]) -> dict[str, Facts]:
    """The same with some matrices stored as codes, by the names of their parts ("user.stored.codes")."""
    out: dict[str, Facts] = {}
    for name, (dtype, shape) in tensors.items():
        if name not in encodings:
            out[name] = dtype, shape
            continue
        chosen, path = encodings[name], parts_of(name)
        parts = chosen.kind.layout(shape[0], math.prod(shape[1:]), dtype, **chosen.options)
        out |= {f"{path}.{part}": facts for part, facts in parts.items()}
        out[f"{path}.like"] = dtype, (0, *shape[1:])
    return out
