"""Bytes and plain data, changed somewhere: what mutations are made of."""

from __future__ import annotations

import copy
import random
from typing import Any

__all__ = ["damaged", "value_changed"]

HOSTILE: list[Any] = [None, True, False, -1, 0, 1, 2**31, 2**63, 2**64, 10**30, 1.5, -1e308, "", "../x", "/etc/passwd"]
HOSTILE += [10**400, -(10**400), 1e999, "\ud800", "\x1b[2J"]
HOSTILE += ["a\0b", "%2e%2e", "os:system", "é" * 99, "F64", "I64", "BOOL", "0-999999999999", "bits:" + "A" * 64, [], {}]
HOSTILE += [[[[[]]]], [2**40, 2**40], [0], {"a": {}}, "item_bytes", "int4_rows", "product_rows(m=9)", [1] * 300]

MOST = 4000
"""Places that are looked at, at most."""


def damaged(draw: random.Random, data: bytes) -> bytes:
    """Bytes cut off, put in, repeated, emptied to the end, or some of them changed."""
    place, how = draw.randrange(len(data) + 1), draw.randrange(6)
    if how == 0:
        return data[:place]
    if not data:
        return draw.randbytes(3)
    if how == 1:
        return data[:place] + draw.randbytes(draw.randrange(1, 20)) + data[place:]
    if how == 2:
        return data + data[:place]
    if how == 3:
        return data[:place] + bytes(len(data) - place)
    out = bytearray(data)
    for _ in range(draw.randrange(1, 9)):
        out[draw.randrange(len(out))] = draw.choice([0, 1, 127, 128, 255, draw.randrange(256)])
    return bytes(out)


def value_changed(draw: random.Random, value: Any) -> Any:
    """Plain data with one value changed, left out, put in or doubled, somewhere inside, in its place."""
    places = _places(value)
    if not places or draw.random() < 0.02:
        return draw.choice(HOSTILE)
    where, key = draw.choice(places)
    how, old = draw.randrange(7), where[key]
    if how == 0:
        del where[key]
    elif how == 1 and isinstance(where, dict):
        where[draw.choice(["x", "", "..", str(key) + "x", "sha256"])] = old
    elif how == 2:
        where[key] = copy.deepcopy(draw.choice(places)[0])
    elif how == 3 and isinstance(old, int):
        where[key] = old + draw.choice([-1, 1, 7, 2**16, -(2**16)])
    elif how == 4 and isinstance(old, str):
        where[key] = damaged(draw, old.encode()).decode("utf-8", "replace")
    else:
        where[key] = draw.choice(HOSTILE)
    return value


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Container and key of what stands inside."""
    places, stack = list[tuple[Any, Any]](), [value]
    while stack and len(places) < MOST:
        here = stack.pop()
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        places += [(here, key) for key in keys]
        stack += [here[key] for key in keys if isinstance(here[key], dict | list)]
    return places
