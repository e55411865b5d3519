"""FeatureMatrix: N users (or rows) × P features, sparse, standardised to mean 0 and variance 1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recprune.data.blocks import USER_BLOCKS, Block, row_blocks, user_blocks
from recprune.data.dataset import Dataset
from recprune.data.standardise import Standardised, filled, known_means, standardise
from recprune.errors import DataError

__all__ = ["FeatureMatrix"]


@dataclass(frozen=True, slots=True, eq=False)
class FeatureMatrix:
    """Features of users, or of single rows, with the mean and deviation that standardise them.

    z: the standardised matrix (N, P); z.x is the sparse matrix itself. names, field_of: of every column its name and
    what it was made from. keys (N,): the user code of each row of the matrix, ascending (of single rows their number).
    of, blocks: how the matrix was made, so that `like` can make it again.

    >>> train = FeatureMatrix.of_users(split.train)
    >>> print(train)
    943 users × 1,735 features, 4.2 % not 0, 12 constant: history 1,682, counts 2, occupation 21, genres 18, age 1
    >>> train.rows(np.array([5, 7]))                  # standardised, dense, (2, 1735)
    >>> test = train.like(split.test)                 # the same columns, mean and deviation
    """

    z: Standardised
    names: tuple[str, ...]
    field_of: tuple[str, ...]
    keys: NDArray[np.int64]
    of: Literal["users", "rows"]
    blocks: tuple[str, ...]

    @classmethod
    def of_users(cls, dataset: Dataset, blocks: Sequence[str] = tuple(USER_BLOCKS)) -> FeatureMatrix:
        """One row for each known user of the dataset.

        blocks, of these: "history", 1 for every item that the user had; "counts", how many rows and items; "of_user",
        its own fields one-hot and multi-hot, from its first row; "histograms", of item and context fields the share
        of each value among what it met; "numeric", its own numbers, and the mean of those of items and moments.
        Ids are columns even where they never occur (then constant), so that parts of one split have the same columns.
        Missing numbers become the mean of their column.
        Raises DataError for an unknown block, and where there is no user or no column.
        """
        return _measured(dataset, "users", tuple(blocks))

    @classmethod
    def of_rows(cls, dataset: Dataset, fields: Sequence[str] | None = None) -> FeatureMatrix:
        """One row for each row of the dataset: those fields one-hot, multi-hot or as the number that they are.

        fields: by default all but user and item, which can be named too.
        """
        roles = dataset.roles
        default = [f for f in (*roles.categorical, *roles.multi, *roles.numeric) if f not in (roles.user, roles.item)]
        return _measured(dataset, "rows", tuple(default if fields is None else fields))

    def like(self, dataset: Dataset) -> FeatureMatrix:
        """The features of other data by the mean and deviation of this one; missing numbers become this one's mean.

        Columns are found by their names. Raises DataError where one of them cannot be made from the other data.
        """
        keys, made = _made(dataset, self.of, self.blocks)
        place = {name: column for column, name in enumerate(name for block in made for name in block.names)}
        absent = [name for name in self.names if name not in place]
        if absent:
            raise DataError(
                f"{len(absent):,} of {len(self.names):,} features are not in this data, as {', '.join(absent[:3])}; "
                "encode both by the same vocabularies",
                absent=absent,
            )
        x = sp.csr_matrix(_joined(made)[:, [place[name] for name in self.names]])
        return replace(self, z=self.z.applied(filled(x, self.mean_)), keys=keys)

    @property
    def x(self) -> sp.csr_matrix:
        """(N, P) the features as they are, float32."""
        return self.z.x

    @property
    def mean_(self) -> NDArray[np.float64]:
        """(P,) what is subtracted."""
        return self.z.mean_

    @property
    def scale_(self) -> NDArray[np.float64]:
        """(P,) what is divided by: the deviation, 1 for a constant column."""
        return self.z.scale_

    @property
    def constant(self) -> tuple[str, ...]:
        """Names of the columns that have one value; standardised they are 0."""
        return tuple(self.names[column] for column in self.z.constant)

    @property
    def shape(self) -> tuple[int, int]:
        """(N, P)."""
        return self.z.shape

    def rows(self, keys: NDArray[np.integer]) -> NDArray[np.float32]:
        """(len(keys), P) standardised features, dense; 0, the average, for a user that is not among `self.keys`."""
        keys = np.asarray(keys)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        out = self.z.rows(place)
        out[self.keys[place] != keys] = 0.0
        return out

    def take(self, columns: NDArray[np.integer] | NDArray[np.bool_]) -> FeatureMatrix:
        """Those columns only: numbers, or a mask as `FeatureSelector.get_support()` gives it."""
        numbers = np.arange(self.shape[1])[columns]
        names, fields = (tuple(values[n] for n in numbers) for values in (self.names, self.field_of))
        return replace(self, z=self.z.take(numbers), names=names, field_of=fields)

    def __str__(self) -> str:
        n, p = self.shape
        sizes = {name: f"{name} {self.field_of.count(name):,}" for name in dict.fromkeys(self.field_of)}
        return (
            f"{n:,} {self.of} × {p:,} features, {self.x.nnz / max(n * p, 1):.1%} not 0, {len(self.z.constant):,} "
            f"constant: {', '.join(sizes.values())}"
        )


def _measured(dataset: Dataset, of: Literal["users", "rows"], blocks: tuple[str, ...]) -> FeatureMatrix:
    """The matrix, with mean and deviation over its own rows."""
    keys, made = _made(dataset, of, blocks)
    x = _joined(made)
    names = tuple(name for block in made for name in block.names)
    if len(set(names)) < len(names):
        twice = [name for name, count in Counter(names).items() if count > 1]
        raise DataError(f"two features would have the same name: {', '.join(twice[:3])}; rename a field", names=twice)
    field_of = tuple(block.field for block in made for _ in block.names)
    return FeatureMatrix(standardise(filled(x, known_means(x))), names, field_of, keys, of, blocks)


def _made(dataset: Dataset, of: str, blocks: tuple[str, ...]) -> tuple[NDArray[np.int64], list[Block]]:
    """Keys and blocks. Raises DataError where there is no row or no column."""
    if of == "rows":
        keys, made = np.arange(len(dataset)), row_blocks(dataset, blocks)
    else:
        dataset = dataset.take(np.flatnonzero(dataset["user"] > 0))
        keys = np.unique(dataset["user"]).astype(np.int64)
        made = user_blocks(dataset, keys, blocks)
    if len(keys) == 0 or not any(block.names for block in made):
        raise DataError(
            f"a features matrix needs one of the {of} and one column or more; got {len(keys):,} {of}, and no column "
            f"from {', '.join(blocks) or 'nothing'}",
            rows=len(keys),
            blocks=blocks,
        )
    return keys, made


def _joined(blocks: list[Block]) -> sp.csr_matrix:
    return sp.csr_matrix(sp.hstack([block.x for block in blocks], format="csr"))
