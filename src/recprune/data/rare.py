"""without_rare(): ids that train hardly knows count as unknown."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recprune.data.bins import Bins
from recprune.data.dataset import Dataset, Split
from recprune.data.renumbered import renumbered
from recprune.errors import DataError

__all__ = ["without_rare"]


def without_rare(split: Split, min_count: int, *, columns: Collection[str] | None = None) -> Split:
    """The split in which ids that train has fewer than `min_count` times have code 0, as unknown ones.

    They stand in no vocabulary any more, so that the table of their column is smaller before it is trained. What a
    click model learns of an id from a handful of rows it learns by heart; thresholds like this are usual where click
    logs are prepared (Zhu et al. 2021, "Open Benchmarking for Click-Through Rate Prediction"). Rows stay. Of many ids
    in a row those that stay move together. columns: of codes; None takes all. Bins of numbers have no ids and stay.
    Raises DataError for a count below 0, a column that holds no ids, rows without a label (items of lists would no
    longer be found: `clean` drops what is rare there), and where nothing of a column would be left.
    """
    if min_count < 0:
        raise DataError(f"ids occur 0 times or more, not {min_count}", min_count=min_count)
    if "label" not in split.train.columns:
        raise DataError(
            "rare ids become unknown where rows have a label; of what is listed leave rare items out of the log "
            "(--min-item, --k-core; clean(log, min_item=...))",
            column="label",
        )
    known = {name for name, vocabulary in split.vocabularies.items() if not isinstance(vocabulary, Bins)}
    unknown = set(columns or ()) - known
    if unknown:
        raise DataError(f"column {sorted(unknown)[0]!r} holds no ids; these do: {', '.join(sorted(known))}")
    codes = {name: _codes(split, name, min_count) for name in sorted(known if columns is None else columns)}
    return Split(*(_recoded(part, codes) for part in (split.train, split.valid, split.test)))


def _codes(split: Split, name: str, min_count: int) -> NDArray[np.int32]:
    """(old codes,) the new code of each, 0 for the rare; all as they are where train has no id of the column."""
    counts = np.bincount(split.train[name].ravel(), minlength=len(split.vocabularies[name]))
    if not counts[1:].any():
        return np.arange(len(counts), dtype=np.int32)
    stays = counts >= min_count
    stays[0] = False
    if not stays.any():
        raise DataError(
            f"no id of {name!r} occurs {min_count:,} times in train, the most frequent {counts[1:].max():,} times; "
            "take a lower count",
            column=name,
            min_count=min_count,
        )
    return np.where(stays, np.cumsum(stays), 0).astype(np.int32)


def _recoded(part: Dataset, codes: Mapping[str, NDArray[np.int32]]) -> Dataset:
    """In the new codes; of many in a row the zeros stand at the end."""
    made = renumbered(part, codes)
    many = {name: made[name] for name in codes if made[name].ndim > 1}
    ends = {name: np.argsort(found == 0, axis=1, kind="stable") for name, found in many.items()}
    return replace(made, columns={**made.columns, **{n: np.take_along_axis(many[n], ends[n], axis=1) for n in many}})
