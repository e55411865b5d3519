"""FeatureSelector: prune columns by a rule and a factor, the scikit-learn way."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from recprune.data.column_scores import cheapest, check_rule, column_scores, eliminated
from recprune.data.features import FeatureMatrix
from recprune.data.standardise import Standardised, standardise
from recprune.data.targets import shared_directions, targets_of
from recprune.errors import BudgetError, DataError

__all__ = ["FeatureSelector"]


class FeatureSelector(SelectorMixin, BaseEstimator):  # type: ignore[misc]
    """Keeps the columns that are worth most: floor(factor * p) of p leave.

    The columns are standardised (mean 0, variance 1; X stays sparse) and a ridge regression is fitted to y; `rule` says
    what a column is worth by it (formulas in `recprune.data.column_scores`):
    - "weight": the size of its coefficient;
    - "gradient": mean |d loss / d x * x| over the rows;
    - "mse": by how much the mean squared error rises without it, exactly. A column that another one can stand in for is
      worth little, the less the smaller alpha: take stepwise=True where columns say the same;
    - "mean_square_ratio": the mean square it explains alone over what it leaves (F); no model, any size.

    y: numbers, (n,) or (n, k), each target scaled to variance 1; classes (anything that is not a number, or at most 20
    different whole numbers) become 0/1 targets. Without y the targets are the first `components` principal components
    of X: a column is worth what it holds of the directions that the columns share.
    factor: 0 (none) up to, not including, 1. alpha: the ridge penalty, for columns of variance 1 and the mean (not the
    sum) of squared errors; raise it where there are about as many columns as rows, as with ids, so that a column of a
    single row does not learn that row by heart. stepwise: columns leave one after the other and the model is fitted
    again each time, so that of columns that say the same one stays; for up to some thousand columns.
    Constant columns leave first; of equal columns that with the lower number stays. `transform` gives the columns as
    they are, not standardised. X may be a FeatureMatrix: then `transform` gives a FeatureMatrix, with the names, the
    mean and the deviation of what stays.

    Learned: scores_ (p,) what each column is worth (stepwise: when it left), support_ (p,) which stay, mean_ and scale_
    (p,), constant_ the numbers of constant columns, n_features_in_ and feature_names_in_.
    Raises BudgetError for another factor, DataError (both are ValueErrors) for other parameters, for a y of one value,
    for a FeatureMatrix of other columns, and where X has too many rows and columns (more than 20,000 of both; stepwise
    more than 5,000 columns) and the rule needs a model.

    >>> FeatureSelector(factor=0.9).fit(features, y).transform(features).shape
    (943, 174)
    """

    def __init__(
        self,
        factor: float = 0.5,
        rule: str = "weight",
        *,
        alpha: float = 1.0,
        stepwise: bool = False,
        components: int = 16,
    ) -> None:
        self.factor = factor
        self.rule = rule
        self.alpha = alpha
        self.stepwise = stepwise
        self.components = components

    def fit(self, X: Any, y: Any = None) -> FeatureSelector:
        """Find what each column of X, (n, p) dense, sparse or a FeatureMatrix, is worth, and which stay."""
        self._check_parameters()
        names = np.array(X.names, dtype=object) if isinstance(X, FeatureMatrix) else None
        X = X.x if isinstance(X, FeatureMatrix) else X
        if y is None:
            X = validate_data(self, X, accept_sparse="csr", dtype=[np.float64, np.float32])
        else:
            X, y = validate_data(self, X, y, accept_sparse="csr", dtype=[np.float64, np.float32], multi_output=True)
        if names is not None:
            self.feature_names_in_ = names
        z = standardise(X)
        self._rank(z, shared_directions(z, self.components) if y is None else targets_of(np.asarray(y)))
        self.mean_, self.scale_, self.constant_ = z.mean_, z.scale_, z.constant
        return self

    def transform(self, X: Any) -> Any:
        """The columns of X that stay; of a FeatureMatrix a FeatureMatrix."""
        if not isinstance(X, FeatureMatrix):
            return super().transform(X)
        check_is_fitted(self)
        known = getattr(self, "feature_names_in_", None)
        if X.shape[1] != self.n_features_in_ or (known is not None and list(known) != list(X.names)):
            raise DataError(
                f"this FeatureMatrix has {X.shape[1]:,} columns that are not the {self.n_features_in_:,} that were "
                "fitted; make it by `like` of the one that was fitted",
                columns=X.shape[1],
                expected=self.n_features_in_,
            )
        return X.take(self.support_)

    def _rank(self, z: Standardised, targets: NDArray[np.float64]) -> None:
        """Find scores_ and support_."""
        p = z.shape[1]
        count = math.floor(self.factor * p + 1e-9)
        if self.stepwise:
            self.scores_, leaves = eliminated(z, targets, self.rule, self.alpha, count)
        else:
            self.scores_ = column_scores(z, targets, self.rule, self.alpha)
            flat = np.isin(np.arange(p), z.constant)
            leaves = np.r_[z.constant[::-1], cheapest(self.scores_, flat)][:count]
        self.support_ = np.ones(p, dtype=bool)
        self.support_[leaves] = False

    def _get_support_mask(self) -> NDArray[np.bool_]:
        check_is_fitted(self)
        return self.support_

    def _check_parameters(self) -> None:
        if not 0 <= self.factor < 1:
            raise BudgetError(
                f"factor is the share of columns that leaves, 0 up to but not including 1 (one column stays at least); "
                f"got {self.factor!r}",
                factor=self.factor,
            )
        if not 0 < self.alpha < math.inf:
            raise DataError(
                f"alpha is a number above 0, so that the model is one; got {self.alpha!r}", alpha=self.alpha
            )
        if self.components < 1:
            raise DataError(f"components is 1 or more; got {self.components!r}", components=self.components)
        check_rule(self.rule, self.stepwise)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = False
        return tags
