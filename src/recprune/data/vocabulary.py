"""Vocabulary: outside id ↔ row number. Row 0 answers for every id that is unknown, missing or has left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recprune.errors import DataError

__all__ = ["Vocabulary"]


class Vocabulary:
    """Opaque, byte-exact ids of one column; code `i + 1` stands for `ids[i]`, code 0 for everything else.

    >>> v = Vocabulary("city", ["Oslo", "Bergen"])
    >>> v.encode(["Bergen", "Paris"]).tolist(), v.decode([1, 0]), len(v)
    ([2, 0], ['Oslo', None], 3)
    """

    def __init__(self, column: str, ids: Sequence[str]) -> None:
        self.column = column
        self.ids = tuple(ids)
        if len(set(self.ids)) != len(self.ids):
            raise DataError(f"vocabulary of {column!r}: ids are not unique", column=column)
        try:
            "".join(self.ids).encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"vocabulary of {column!r}: an id holds half a character (a lone surrogate), which is no text",
                column=column,
            ) from error

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {key: code for code, key in enumerate(self.ids, start=1)}

    def __len__(self) -> int:
        """Number of rows a table for this column needs: the ids and row 0."""
        return len(self.ids) + 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and (self.column, self.ids) == (other.column, other.ids)

    def __hash__(self) -> int:
        return hash((self.column, self.ids))

    def __repr__(self) -> str:
        return f"Vocabulary({self.column!r}, {len(self.ids):,} ids)"

    def encode(self, ids: Iterable[str | None]) -> NDArray[np.int32]:
        """Codes of outside ids; 0 where an id is unknown."""
        get = self._codes.get
        return np.fromiter((0 if key is None else get(key, 0) for key in ids), dtype=np.int32)

    def decode(self, codes: Iterable[int]) -> list[str | None]:
        """Outside ids of codes; None for row 0."""
        return [self.ids[code - 1] if code else None for code in codes]

    def restrict(self, kept: Iterable[int]) -> Self:
        """The vocabulary when only the rows `kept` stay (codes, ascending; row 0 always stays)."""
        return type(self)(self.column, [self.ids[code - 1] for code in kept if code])
