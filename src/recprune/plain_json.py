"""JSON that says one thing: each key once, numbers that are numbers, whole characters, as deep as can be read."""

from __future__ import annotations

import json
import math
import re
from typing import Any

__all__ = ["read_json"]

HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""What begins a half of a character as JSON writes it; two of them may make a whole one."""


def read_json(text: str | bytes) -> Any:
    """Plain data.

    Raises ValueError for what is no JSON, for bytes that are not UTF-8, for a key that stands twice in an object, for
    NaN and numbers beyond all floats, for half a character (a lone surrogate) and for what is too deep.
    """
    try:
        text = text.decode("utf-8") if isinstance(text, bytes) else text
        found = json.loads(text, object_pairs_hook=_once, parse_constant=_number, parse_float=_number)
        if HALF.search(text):
            json.dumps(found, ensure_ascii=False).encode("utf-8")
    except RecursionError as error:
        raise ValueError("it is too deep") from error
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is no number of JSON")
    return number
