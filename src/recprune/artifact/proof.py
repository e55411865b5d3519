"""Proof: what was found when the pruned model was asked the same things as the masked original."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from recprune.errors import ArtifactError
from recprune.plain_json import read_json

__all__ = ["Agreement", "Proof", "Table"]

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two models were asked the same; how far their answers lie apart.

    requests: users, or rows. lists: lists of scores of which the best `k` were compared; of a model that gives one
    score a row, every hundred rows are a list. same: lists whose best k are the same, in the same order. tied: lists
    that differ only among scores no farther apart than twice `allowed`. largest: the largest difference of two scores;
    allowed: what the arithmetic of their type explains.
    """

    requests: int
    lists: int
    k: int
    same: int
    tied: int
    largest: float
    allowed: float

    @property
    def holds(self) -> bool:
        """Whether all lists are the same and no score is farther off than allowed."""
        return self.same + self.tied == self.lists and self.largest <= self.allowed


@dataclass(frozen=True, slots=True)
class Table:
    """A matrix that is stored as codes: its encoding, and how far a decoded row lies from the row it stands for.

    bound: the farthest that the encoding allows of any row, as the root of the summed squares; farthest: the farthest
    there is, None where the matrix was trained after the cut, so that what it was before it was stored is not known.
    """

    encoding: str
    bound: float
    farthest: float | None

    @property
    def holds(self) -> bool:
        """Whether no row is farther off than the encoding allows."""
        return self.farthest is None or self.farthest <= self.bound * (1 + 1e-6) + 1e-12


@dataclass(frozen=True, slots=True)
class Proof:
    """cut: the stored model against the masked original in which its numbers stand. tables: those stored as codes.

    before: fingerprint (names, shapes and types) of the original. weights: sha256 of the weights file that was proven.
    asked: "users" or "rows" of data, or "drawn" ids; seed: of what was drawn. trained: whether the numbers are others
    than those of the original, for it was trained after the cut.
    """

    cut: Agreement
    tables: Mapping[str, Table]
    before: str
    weights: str
    asked: str
    seed: int
    trained: bool

    @property
    def holds(self) -> bool:
        """Whether everything holds that was looked at."""
        return self.cut.holds and all(table.holds for table in self.tables.values())

    def sentence(self) -> str:
        """What was found, for a person."""
        cut = self.cut
        same = "every list" if cut.same == cut.lists else f"{cut.same:,} of {cut.lists:,} lists"
        tied = f", {cut.tied:,} more but for ties" if cut.tied else ""
        moved = {name: table for name, table in self.tables.items() if table.farthest}
        off = [f"{name} {table.farthest:.3g} of at most {table.bound:.3g}" for name, table in moved.items()]
        return (
            f"asked {cut.requests:,} {self.asked}: the best {cut.k} of {same} are those of the masked original{tied}; "
            f"scores differ by at most {cut.largest:.3g} ({cut.allowed:.3g} allowed)"
            + (f"; rows stored as codes are off by {', '.join(off[:4])}" if off else "")
        )

    def to_json(self) -> str:
        """As text; `Proof.from_json` gives it back."""
        return json.dumps({"format": _FORMAT, **asdict(self)}, indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Proof:
        """A proof from its text. Raises ArtifactError for text that is none."""
        try:
            said: Any = read_json(text)
            if said.pop("format") != _FORMAT:
                raise ValueError("it is of another format")
            cut = Agreement(**said.pop("cut"))
            tables = {str(name): Table(**one) for name, one in said.pop("tables").items()}
            proof = cls(cut, tables, **said)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ArtifactError(f"this is no proof: {type(error).__name__} {error}") from error
        if not (_whole(cut) and _numbers(proof)):
            raise ArtifactError("this is no proof: a value is of the wrong kind")
        return proof


def _whole(cut: Agreement) -> bool:
    counts = (cut.requests, cut.lists, cut.k, cut.same, cut.tied)
    distances = (cut.largest, cut.allowed)
    return all(type(n) is int and n >= 0 for n in counts) and all(_finite(n) for n in distances)


def _numbers(proof: Proof) -> bool:
    tables = proof.tables.values()
    texts = [proof.before, proof.weights, proof.asked, *(t.encoding for t in tables)]
    numbers = [n for t in tables for n in (t.bound, 0.0 if t.farthest is None else t.farthest)]
    kinds = type(proof.seed) is int and type(proof.trained) is bool
    return kinds and all(isinstance(t, str) for t in texts) and all(_finite(n) for n in numbers)


def _finite(number: object) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and abs(number) <= sys.float_info.max
