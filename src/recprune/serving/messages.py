"""What goes over the wire, and how strictly it is read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from recprune.serving.refusals import Refusal

__all__ = ["Ask", "Listing", "Row", "Scores", "ask_of", "read", "refuse_twice", "rows_of"]

T = TypeVar("T")


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Asked: the k best items of a user, or of whoever has this history (oldest item first), without some items."""

    user: str | UnsetType = UNSET
    history: list[str] | UnsetType = UNSET
    k: int | UnsetType = UNSET
    exclude: list[str] = []


class Listing(msgspec.Struct, frozen=True):
    """Answered: items, best first, and their scores; with `fallback` what most users had, for nothing is known here."""

    items: list[str]
    scores: list[float]
    fallback: bool


class Scores(msgspec.Struct, frozen=True):
    """Answered: the probability of a click on each row, and how many ids of the row the model does not know."""

    probabilities: list[float]
    unknown: list[int]


Row = Any
"""A row to score: a struct of the columns of the model, made by `rows_of`."""

KEYS = tuple(b'"%b"' % name.encode() for name in Ask.__struct_fields__)


def read(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """What a body says. Raises Refusal: bad_json, invalid."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise Refusal("invalid") from None
    except (ValueError, RecursionError):  # also: bytes that are no UTF-8, integers of too many digits
        raise Refusal("bad_json") from None


ASK = msgspec.json.Decoder(Ask)


def ask_of(body: bytes) -> Ask:
    """A question from its body. Raises Refusal: bad_json, invalid, duplicate_key."""
    ask = read(body, ASK)
    if b"\\" in body or any(body.count(key) > 1 for key in KEYS):
        refuse_twice(body)
    return ask


def rows_of(body: bytes, decoder: msgspec.json.Decoder[Any]) -> Sequence[Row]:
    """Rows to score from a body. Raises Refusal: bad_json, invalid, duplicate_key."""
    rows: Sequence[Row] = read(body, decoder).rows
    refuse_twice(body)
    return rows


def refuse_twice(body: bytes) -> None:
    """Raise Refusal where a key stands twice in an object. The body has been read by its schema: it is not deep."""
    json.loads(body, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        raise Refusal("duplicate_key")
