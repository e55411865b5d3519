"""The mutations: of any byte and name, and of what stands under sums and a seal that are made anew."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable

from fuzzing.damage import damaged, value_changed
from fuzzing.originals import Files
from fuzzing.seal import put_right

__all__ = ["MUTATIONS", "numbers_changed"]

MANIFEST, WEIGHTS = "manifest.json", "weights.safetensors"
NAMES = ["x", "weights.bin", "plan.json", "vocabulary-9.json", "proof.json", "runtimes.json", ".hidden"]


def bytes_changed(draw: random.Random, files: Files) -> Files:
    """Any byte of any file, nothing put right afterwards."""
    name = draw.choice(sorted(files))
    return {**files, name: damaged(draw, files[name])}


def names_changed(draw: random.Random, files: Files) -> Files:
    """A file gone, or under another name."""
    name, out = draw.choice(sorted(files)), dict(files)
    data = out.pop(name)
    if draw.random() < 0.5:
        out[draw.choice(NAMES)] = data
    return out


def manifest_changed(draw: random.Random, files: Files) -> Files:
    """A value of the manifest; some of its sums with it, or not."""
    manifest = value_changed(draw, json.loads(files[MANIFEST]))
    if draw.random() < 0.8:
        return put_right(files, manifest)
    return put_right(put_right(files, copy.deepcopy(manifest)), manifest)


def json_changed(draw: random.Random, files: Files) -> Files:
    """A value of the plan, the proof, the record of runtimes or a vocabulary, or its bytes."""
    names = [name for name in files if name.endswith(".json") and name != MANIFEST]
    if not names:
        return header_changed(draw, files)
    name = draw.choice(sorted(names))
    content = value_changed(draw, json.loads(files[name]))
    changed = json.dumps(content).encode() if draw.random() < 0.8 else damaged(draw, files[name])
    if draw.random() < 0.05:  # a key that stands twice
        changed = changed.replace(b"{", b'{"' + draw.choice([b"format", b"cut", b"took", b"x"]) + b'": 1, ', 1)
    return put_right({**files, name: changed}, json.loads(files[MANIFEST]))


def header_changed(draw: random.Random, files: Files) -> Files:
    """A value of the header of the weights, or how long it says that it is."""
    data = files[WEIGHTS]
    length = int.from_bytes(data[:8], "little")
    header = json.dumps(value_changed(draw, json.loads(data[8 : 8 + length])), separators=(",", ":")).encode()
    header = header.ljust(length) if draw.random() < 0.8 else header
    size = len(header) if draw.random() < 0.9 else draw.choice([0, 2**62, 2**64 - 1, len(header) + 1, len(data)])
    weights = size.to_bytes(8, "little") + header + data[8 + length :]
    return put_right({**files, WEIGHTS: weights}, json.loads(files[MANIFEST]))


def numbers_changed(draw: random.Random, files: Files) -> Files:
    """Numbers and indices, of the right length."""
    data = bytearray(files[WEIGHTS])
    begin = 8 + int.from_bytes(data[:8], "little")
    for _ in range(draw.randrange(1, 6)):
        if begin < len(data):
            data[draw.randrange(begin, len(data))] = draw.choice([0, 1, 127, 128, 255, draw.randrange(256)])
    return put_right({**files, WEIGHTS: bytes(data)}, json.loads(files[MANIFEST]))


MUTATIONS: list[Callable[[random.Random, Files], Files]] = [
    bytes_changed,
    names_changed,
    manifest_changed,
    manifest_changed,
    json_changed,
    header_changed,
    numbers_changed,
]
