"""Tables of pandas, polars and Arrow in and out: a log, recommendations, features."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from torch import nn

from recprune.data.dataset import Roles, Split
from recprune.data.features import FeatureMatrix
from recprune.data.guess import guess_roles
from recprune.data.log import Log, Rejected
from recprune.data.typed import REASON, typed
from recprune.data.vocabulary import Vocabulary
from recprune.errors import DataError
from recprune.evaluation.inputs import Renumber, known
from recprune.evaluation.ranking import rank
from recprune.integrations.needed import needed

__all__ = ["Kind", "features_table", "log_from", "recommendations"]

Kind = Literal["polars", "pandas", "arrow"]
"""What a table comes back as: `polars.DataFrame`, `pandas.DataFrame` or `pyarrow.Table`."""

CELLS = 1 << 28
"""Numbers of a dense table of features, at most: 1 GiB in float32."""


def log_from(
    table: Any, roles: Roles | None = None, *, missing: Sequence[str] = ("",), multi: str = "|", source: str = "a table"
) -> Log:
    """A log from a polars DataFrame or LazyFrame, a pandas DataFrame, an Arrow table, or whatever speaks Arrow's
    C stream interface.

    roles: None takes those that well-known column names suggest. missing, multi: as for `recprune.read`. Ids become
    text as they are, 7 becomes "7". Rows that cannot be used are counted by reason in `log.rejected`.
    Raises DataError for something that is no table, for ids that are floats ("7.0"; pandas makes them of whole numbers
    where one is missing), for a column that is not there, and where no row can be used.
    """
    frame = _lazy(table)
    roles = roles or guess_roles(frame.collect_schema().names(), [], header=True)
    raw = Log(frame, roles, source=source).frame
    for column in (roles.user, roles.item):
        if column and raw.collect_schema()[column].is_float():
            raise DataError(
                f"{source}: the ids in {column!r} are floats, so that 7 would be called 7.0; make them whole numbers "
                "or text first, in pandas with .astype('Int64')",
                column=column,
            )
    judged = typed(raw, roles, missing=missing, multi=multi)
    tally = judged.group_by(REASON).agg(pl.len()).collect(engine="streaming").rows()
    counts = {why: count for why, count in sorted(tally, key=str) if why is not None}
    if sum(count for _, count in tally) == sum(counts.values()):
        raise DataError(f"{source}: no row can be used ({counts or 'it has none'})", counts=counts)
    return Log(judged.filter(pl.col(REASON).is_null()).drop(REASON), roles, Rejected(counts), source)


def recommendations(
    model: nn.Module,
    split: Split,
    k: int = 20,
    *,
    users: Sequence[str] | None = None,
    renumber: Renumber | None = None,
    kind: Kind = "polars",
) -> Any:
    """The k best items of each user, one a row: `user`, `rank` (from 1) and `item`, as outside ids.

    What users had in train and validation is known, and not listed. users: their ids, all of train if None; an unknown
    one raises DataError. renumber: of a pruned model (`Pruned.renumber`). A user with fewer than k items has fewer
    rows.
    """
    ids = split.vocabularies["user"]
    codes = _user_codes(split, ids, users)
    top = rank(model, known(split, "test"), codes, k, renumber=renumber)
    rows, places = np.nonzero(top)
    columns: dict[str, Any] = {
        "user": ids.decode(codes[rows].tolist()),
        "rank": (places + 1).astype(np.int32),
        "item": split.vocabularies["item"].decode(top[rows, places].tolist()),
    }
    return _table(columns, {"user": pl.String, "rank": pl.Int32, "item": pl.String}, kind)


def features_table(
    features: FeatureMatrix,
    vocabulary: Vocabulary | None = None,
    *,
    standardised: bool = False,
    kind: Kind = "polars",
) -> Any:
    """A features matrix as a dense table: `key`, then a float32 column for each feature.

    vocabulary: of the users, whose ids are then the keys; None leaves their codes (of rows their numbers).
    standardised: mean 0 and variance 1, instead of the numbers as they are. Raises DataError where it would take more
    than 268 million numbers: take columns first (`FeatureSelector`), or the sparse `features.x`.
    """
    n, p = features.shape
    if n * p > CELLS:
        raise DataError(
            f"a dense table of {n:,} rows and {p:,} features takes {4 * n * p:,} bytes; select columns first "
            "(FeatureSelector), or take the sparse matrix features.x",
            shape=features.shape,
        )
    values: NDArray[np.float32] = features.rows(features.keys) if standardised else features.x.toarray()
    keys: Any = features.keys if vocabulary is None else vocabulary.decode(features.keys.tolist())
    if "key" in features.names:
        raise DataError("a feature is called 'key', as the column of the keys is: rename the field", column="key")
    columns: dict[str, Any] = {"key": keys} | {name: values[:, at] for at, name in enumerate(features.names)}
    kinds = dict.fromkeys(features.names, pl.Float32)
    return _table(columns, {"key": pl.Int64 if vocabulary is None else pl.String, **kinds}, kind)


def _lazy(table: Any) -> pl.LazyFrame:
    if isinstance(table, pl.LazyFrame):
        return table
    if isinstance(table, pl.DataFrame):
        return table.lazy()
    if type(table).__module__.partition(".")[0] == "pandas" and hasattr(table, "columns"):
        needed("pyarrow", "pandas")
        return _taken(pl.from_pandas, table).lazy()
    if hasattr(table, "__arrow_c_stream__"):
        return _taken(pl.DataFrame, table).lazy()
    raise DataError(
        f"expected a table of polars, pandas or Arrow, not {type(table).__name__}; recprune.read takes a path"
    )


def _taken(take: Callable[[Any], pl.DataFrame], table: Any) -> pl.DataFrame:
    """The table as one of polars. Raises DataError for one that cannot be, such as a column of texts and numbers."""
    try:
        return take(table)
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
        raise DataError(
            f"the table cannot be read: {str(error)[:200]}. Columns have one type and a name of their own; one of "
            "texts and numbers is made text by table[column].astype(str)"
        ) from error


def _user_codes(split: Split, ids: Vocabulary, users: Sequence[str] | None) -> NDArray[np.int64]:
    if users is None:
        found = np.unique(split.train["user"]).astype(np.int64)
        return found[found > 0]
    codes = ids.encode(users).astype(np.int64)
    unknown = [user for user, code in zip(users, codes.tolist(), strict=True) if not code]
    if unknown:
        raise DataError(f"{len(unknown):,} users are unknown, as {unknown[0]!r}", users=unknown)
    return codes


def _table(columns: Mapping[str, Any], kinds: Mapping[str, Any], kind: Kind) -> Any:
    made = pl.DataFrame(dict(columns), schema=dict(kinds))
    if kind == "polars":
        return made
    needed("pyarrow", "pandas" if kind == "pandas" else "arrow")
    if kind == "arrow":
        return made.to_arrow()
    if kind != "pandas":
        raise DataError(f"kind is 'polars', 'pandas' or 'arrow', not {kind!r}", kind=kind)
    needed("pandas", "pandas")
    return made.to_pandas()
