"""What happens to data when ids leave a model: new codes, smaller vocabularies."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from recprune.data.dataset import Split
from recprune.data.renumbered import renumbered
from recprune.data.vocabulary import Vocabulary
from recprune.errors import DataError

__all__ = ["renumbering", "restrict", "smaller_vocabularies"]

Vocabularies = Mapping[str, Vocabulary]
Renumber = Mapping[str, NDArray[np.int64]]


def smaller_vocabularies(vocabularies: Vocabularies, renumber: Renumber) -> dict[str, Vocabulary]:
    """The vocabularies of a model some of whose ids left. renumber: column -> new code of every old one, 0: it left."""
    return {
        name: vocabulary.restrict(np.flatnonzero(renumber[name]).tolist()) if name in renumber else vocabulary
        for name, vocabulary in vocabularies.items()
    }


def renumbering(data: Vocabularies, model: Vocabularies) -> dict[str, NDArray[np.int64]]:
    """Column -> (rows,) the model's code of every code of the data, for columns whose vocabularies differ.

    Raises DataError where the model knows an id that the data does not have: then it was made for other data.
    """
    out = {}
    for name, mine in model.items():
        if name not in data:
            raise DataError(f"the model knows a column {name!r} and the data has none of that name", column=name)
        if mine.ids == data[name].ids:
            continue
        codes = np.concatenate([[0], mine.encode(data[name].ids)]).astype(np.int64)
        if np.count_nonzero(codes) != len(mine.ids):
            raise DataError(
                f"{len(mine.ids) - np.count_nonzero(codes):,} of the {len(mine.ids):,} ids of {name!r} that the model "
                "knows are not in this data; give the prepared folder that the model was trained on",
                column=name,
            )
        out[name] = codes
    return out


def restrict(split: Split, renumber: Renumber) -> Split:
    """The split in the codes of a smaller model; an id that left has code 0, as every unknown one."""
    if not renumber:
        return split
    return Split(*(renumbered(part, renumber) for part in (split.train, split.valid, split.test)))
