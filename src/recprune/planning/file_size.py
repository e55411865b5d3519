"""file_size: bytes of a file of tensors before it is written. safetensors: a length, a header, the numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch

from recprune.encodings.spelled import Encoding

__all__ = ["DTYPES", "Facts", "file_size", "packed_facts"]

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


def packed_facts(tensors: Mapping[str, Facts], encodings: Mapping[str, Encoding]) -> dict[str, Facts]:
    """The same with some matrices stored as codes, by the names of their parts ("user.stored.codes")."""
    out: dict[str, Facts] = {}
    for name, (dtype, shape) in tensors.items():
        if name not in encodings:
            out[name] = dtype, shape
            continue
        chosen, path = encodings[name], f"{name.rpartition('.')[0]}.stored"
        parts = chosen.kind.layout(shape[0], shape[1], dtype, **chosen.options)
        out |= {f"{path}.{part}": facts for part, facts in parts.items()}
        out[f"{path}.like"] = dtype, (0, shape[1])
    return out
