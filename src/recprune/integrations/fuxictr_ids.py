"""only_known(): ids as FuxiCTR's tokenizer leaves them: those that train has often enough, and sequences cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from recprune.data.log import Log

__all__ = ["Feature", "only_known"]


@dataclass(frozen=True, slots=True)
class Feature:
    """What is said of one. kind: "categorical", "numeric" or "sequence". splitter: between the ids of a sequence.
    least: times that an id stands in train, at least. most: ids of a sequence that stay, the first ones, of a number
    below 0 the last; 0 for all. unread: what else is said of it."""

    name: str
    kind: str
    splitter: str
    least: int
    most: int
    unread: tuple[str, ...] = ()


def only_known(logs: Mapping[str, Log], features: Sequence[Feature]) -> dict[str, Log]:
    """The logs, in which an id that "train_data" has not often enough is as one that is missing (FuxiCTR 2.3,
    `preprocess.tokenizer.Tokenizer`: one id for all of them there, which is 0 here, as for whatever is unknown).
    """
    train = logs["train_data"].frame
    made = []
    for feature in features:
        column = pl.col(feature.name)
        if feature.kind == "sequence":
            known = _often(train.select(column.explode()), feature)
            made.append(_cut(column, feature.most).list.eval(pl.element().filter(pl.element().is_in(known))))
        elif feature.kind == "categorical":
            made.append(pl.when(column.is_in(_often(train.select(column), feature))).then(column).alias(feature.name))
    return {part: replace(log, frame=log.frame.with_columns(made)) for part, log in logs.items()}


def _often(ids: pl.LazyFrame, feature: Feature) -> pl.Series:
    """Ids that stand in a column often enough."""
    counted = ids.drop_nulls().group_by(feature.name).len().filter(pl.col("len") >= feature.least)
    return counted.collect(engine="streaming")[feature.name].implode()


def _cut(column: pl.Expr, most: int) -> pl.Expr:
    if not most:
        return column
    return column.list.head(most) if most > 0 else column.list.tail(-most)
