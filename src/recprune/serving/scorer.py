"""One click model, by outside ids: rows in, probabilities out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor, nn

from recprune.data.vocabulary import Vocabulary
from recprune.evaluation.inputs import columns_of
from recprune.runtimes.asking import Compiled
from recprune.serving.refusals import Refusal

__all__ = ["Scorer"]

PAST = 50
"""Items of the past that are looked at by a model that does not say how many."""


@dataclass(frozen=True, slots=True, eq=False)
class Scorer:
    """A model of rows. vocabularies: of its columns of ids; a column without one holds numbers. many: columns that hold
    several ids a row; `sequence`, the items of the past, oldest first, is one of them where the model takes it, and the
    last ones count, as many as its config's or its own `length` says. runs: what gives the model's answers faster than
    it does.
    """

    model: nn.Module
    vocabularies: Mapping[str, Vocabulary]
    many: frozenset[str] = frozenset()
    runs: Compiled | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """What a row holds, in the order in which the model takes it."""
        return columns_of(self.model)

    def kind(self, column: str) -> str:
        """What a column holds: "id", "ids" or "number"."""
        if column == "sequence" or column in self.many:
            return "ids"
        return "id" if column in self.vocabularies else "number"

    def score(self, rows: Sequence[Sequence[Any]]) -> tuple[list[float], list[int]]:
        """The probability of each row, and how many of its ids the model does not know (they count as its row 0).

        rows: values in the order of `columns`: an id, a number, a list of ids, or None where it is missing. Raises
        Refusal: number_out_of_range.
        """
        unknown = np.zeros(len(rows), dtype=np.int64)
        values = list(zip(*rows, strict=True))
        inputs = [self._column(name, given, unknown) for name, given in zip(self.columns, values, strict=True)]
        logits = self._logits(inputs)
        if logits.shape != (len(rows),):
            raise ArithmeticError("the model gives no logit a row")
        chances = expit(logits.astype(np.float64))
        if not np.isfinite(chances).all():
            if any(
                self.kind(name) == "number" and any(given) for name, given in zip(self.columns, values, strict=True)
            ):
                raise Refusal("number_out_of_range")  # finite, and too large for what is computed of it
            raise ArithmeticError("the model gives no finite logit")
        return chances.tolist(), unknown.tolist()

    def _logits(self, inputs: Sequence[NDArray[Any]]) -> NDArray[Any]:
        if self.runs is not None:
            return self.runs(inputs)
        with torch.inference_mode():
            found: Tensor = self.model(*map(torch.from_numpy, inputs))
        return found.double().numpy()

    def _column(self, name: str, given: Sequence[Any], unknown: NDArray[np.int64]) -> NDArray[Any]:
        kind = self.kind(name)
        if kind == "number":
            return _numbers(given)
        vocabulary = self.vocabularies["item" if name == "sequence" else name]
        if kind == "id":
            codes = vocabulary.encode(given).astype(np.int64)
            if not codes.all():
                unknown += (codes == 0) & np.array([key is not None for key in given])
            return codes
        listed = [vocabulary.encode(ids or ()).astype(np.int64) for ids in given]
        unknown += np.array([np.count_nonzero(codes == 0) for codes in listed])
        return _past(listed, self._length()) if name == "sequence" else _bags(listed)

    def _length(self) -> int:
        """Items of the past that count."""
        config, own = getattr(self.model, "config", None), getattr(self.model, "length", PAST)
        said = config.get("length", own) if isinstance(config, Mapping) else own
        return said if isinstance(said, int) and said > 0 else PAST


def _numbers(given: Sequence[float | None]) -> NDArray[np.float32]:
    """Numbers, NaN where one is missing."""
    wide = np.array([np.nan if number is None else number for number in given], dtype=np.float64)
    if bool((np.abs(wide) > np.finfo(np.float32).max).any()):
        raise Refusal("number_out_of_range")
    return wide.astype(np.float32)


def _bags(listed: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """(n, width) codes of each row, ascending and each once, then zeros: as data is encoded."""
    once = [np.unique(codes[codes > 0]) for codes in listed]
    out = np.zeros((len(once), max(1, *(len(codes) for codes in once))), dtype=np.int64)
    for row, codes in enumerate(once):
        out[row, : len(codes)] = codes
    return out


def _past(listed: Sequence[NDArray[np.int64]], length: int) -> NDArray[np.int64]:
    """(n, width) the last `length` codes of each row, or all, oldest first, zeros in front."""
    last = [codes[-length:] for codes in listed]
    out = np.zeros((len(last), max(1, *(len(codes) for codes in last))), dtype=np.int64)
    for row, codes in enumerate(last):
        out[row, out.shape[1] - len(codes) :] = codes
    return out
