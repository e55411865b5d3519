"""PrunedRecommender: a recommender trained and pruned to a budget, the scikit-learn way."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from recprune.data.dataset import Dataset, Histories, Roles, Split
from recprune.data.vocabulary import Vocabulary
from recprune.errors import DataError
from recprune.evaluation.inputs import columns_of, user_inputs
from recprune.evaluation.ranking import ndcg, rank
from recprune.planning.budget import Budget
from recprune.recipe.prune import prune
from recprune.recipe.pruned import usual_budget
from recprune.recipe.train import train
from recprune.training.options import FitOptions
from recprune.training.usual import Said, changed, settled_tuning

__all__ = ["PrunedRecommender"]

BLOCK = 16_000_000
"""Scores held at once beside those that are given back: 64 MB in float32."""


class PrunedRecommender(BaseEstimator):  # type: ignore[misc]
    """Trains a model on a matrix of users and items, and prunes it to a budget.

    X is (users, items), dense or sparse: what is above 0 is something that the user had; how much above does not count.
    A user is known by his row alone, so that others than those of `fit` can be scored: rows are what cross-validation
    parts. `y`, in `score`, is what each user had later: a matrix like X, or (users,) the column of one item each.

    model: one that takes histories: "ease", "slim", "item_knn", "spectral", "als", "fism" and the like,
    or "package.module:Class". factor: share of its parameters to remove, 0 to below 1. bytes: most bytes of its weights
    file; where it is said, it is the budget, and factor is not looked at. settings: options of the model's constructor.
    rule: what a unit is worth (None: the usual one). options, tuning: of training and of fine-tuning, all of
    them or those that are not as usual. k: length of the lists of `score`. random_state: an int, a RandomState or None.

    Learned: model_ (the smaller nn.Module), plan_, vocabularies_, n_features_in_, and feature_names_in_ where X had
    names. Raises DataError for a model that takes other things than histories, and where nothing in X is above 0;
    BudgetError where the budget cannot be met.

    >>> PrunedRecommender("ease", factor=0.9).fit(train).recommend(train, k=3)
    array([[ 12,   4, 171], ...
    """

    def __init__(
        self,
        model: str = "ease",
        factor: float = 0.5,
        *,
        bytes: int | None = None,
        settings: Mapping[str, Any] | None = None,
        rule: str | None = None,
        options: FitOptions | Said | None = None,
        tuning: FitOptions | Said | None = None,
        k: int = 10,
        random_state: Any = None,
    ) -> None:
        self.model = model
        self.factor = factor
        self.bytes = bytes
        self.settings = settings
        self.rule = rule
        self.options = options
        self.tuning = tuning
        self.k = k
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> PrunedRecommender:
        """Train and prune on X, (users, items); y is not looked at."""
        matrix = self._checked(X, reset=True)
        if not matrix.nnz:
            raise DataError("nothing in X is above 0: no user had any item", shape=matrix.shape)
        budget = Budget(self.factor) if self.bytes is None else Budget(bytes=self.bytes)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        split = _split(matrix, list(getattr(self, "feature_names_in_", range(matrix.shape[1]))))
        options = changed(self.options, seed=seed)
        whole, _ = train(self.model, split, settings=self.settings or {}, options=options)
        if columns_of(whole) != ("history",):
            raise DataError(
                f"{self.model} takes {', '.join(columns_of(whole))}, and a matrix tells the history of a user and "
                "nothing else; take a model of histories (ease, slim, item_knn, als, fism), or recprune.fit",
                model=self.model,
            )
        made = prune(
            whole,
            split,
            budget=budget if budget.factor is None else usual_budget(budget.factor),
            rule=self.rule,
            options=settled_tuning(whole, split, changed(self.tuning, seed=seed)),
            seed=seed,
        )
        self.model_, self.plan_, self.vocabularies_ = made.model.eval(), made.plan, dict(made.vocabularies)
        self._renumber = {name: np.asarray(codes) for name, codes in made.renumber.items()}
        return self

    def predict(self, X: Any) -> NDArray[np.float32]:
        """(users, items) scores, higher is better, by what each user had in X; -inf for an item that left the model."""
        check_is_fitted(self)
        histories = _histories(self._checked(X))
        out = np.empty((histories.n_users, histories.n_items - 1), dtype=np.float32)
        step = max(1, BLOCK // histories.n_items)
        for begin in range(0, len(out), step):
            users = np.arange(begin, min(begin + step, len(out)))
            out[users] = self._scores(histories, users)
        return out

    def recommend(self, X: Any, k: int = 10) -> NDArray[np.int64]:
        """(users, k) columns of the best items that a user has not had in X, best first; -1 where there are fewer."""
        check_is_fitted(self)
        histories = _histories(self._checked(X))
        users = np.arange(histories.n_users)
        return rank(self.model_, histories, users, k, renumber=self._renumber) - 1

    def score(self, X: Any, y: Any) -> float:
        """Mean NDCG@k of the lists for X against what the same users had later, y; what they had in X counts nowhere.

        y: (users, items) where what is above 0 counts, or (users,) a column each. Users with nothing new in y are left
        out; where nobody is left it is NaN, with a warning. Raises DataError where y is not of the users of X, or names
        other columns than those of `fit`, or the same in another order.
        """
        check_is_fitted(self)
        matrix = self._checked(X)
        wanted = _later(y, matrix.shape, list(getattr(self, "feature_names_in_", ())))
        wanted = sp.csr_matrix(wanted - wanted.multiply(matrix))
        wanted.eliminate_zeros()
        counts = np.diff(wanted.indptr)
        users = np.flatnonzero(counts)
        if not len(users):
            warnings.warn("no user has an item in y that is not in X: NDCG is NaN", UndefinedMetricWarning, 2)
            return float("nan")
        some = _histories(matrix[users])
        top = rank(self.model_, some, np.arange(len(users)), self.k, renumber=self._renumber) - 1
        found = np.take_along_axis(wanted[users].toarray() > 0, np.maximum(top, 0), axis=1) & (top >= 0)
        return float(ndcg(found, counts[users].astype(np.int64)).mean())

    @torch.inference_mode()
    def _scores(self, histories: Histories, users: NDArray[np.int64]) -> NDArray[np.float32]:
        codes = self._renumber.get("item")
        inputs = user_inputs(self.model_, histories, users, renumber=self._renumber)
        scores: NDArray[np.float32] = np.array(self.model_(*inputs).float().cpu().numpy())  # not the model's own
        if codes is None:
            return scores[:, 1:]
        scores[:, 0] = -np.inf
        return scores[:, codes[1:]]

    def _checked(self, X: Any, *, reset: bool = False) -> sp.csr_matrix:
        """X as 0 and 1."""
        least = {"ensure_min_samples": 2, "ensure_min_features": 2} if reset else {}
        found = validate_data(self, X, accept_sparse="csr", dtype=[np.float64, np.float32], reset=reset, **least)
        return _ones(found)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = False
        tags.non_deterministic = False
        return tags


def _ones(found: Any) -> sp.csr_matrix:
    matrix = sp.csr_matrix(found > 0, dtype=np.float32)
    matrix.sort_indices()
    return matrix


def _later(y: Any, shape: tuple[int, ...], names: list[str]) -> sp.csr_matrix:
    """What users had later, as 0 and 1. names: of the columns of X, none where they have none."""
    wanted = y if sp.issparse(y) else np.asarray(y)
    if wanted.ndim == 1 and len(wanted) == shape[0]:
        try:
            columns = wanted.astype(np.int64)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"y of one number a user holds columns of X, 0 to {shape[1] - 1}: {str(error)[:100]}",
                shape=wanted.shape,
            ) from error
        if (columns != wanted).any() or not ((columns >= 0) & (columns < shape[1])).all():
            raise DataError(f"y of one number a user holds columns of X, 0 to {shape[1] - 1}", shape=wanted.shape)
        return sp.csr_matrix((np.ones(len(wanted), np.float32), (np.arange(len(wanted)), columns)), shape=shape)
    if wanted.shape != shape:
        raise DataError(f"y is {wanted.shape} and X {shape}; y has a row for each user of X, and the same items")
    named = list(getattr(y, "columns", ()))
    odd = [pair for pair in zip(named, names, strict=False) if isinstance(pair[0], str) and pair[0] != pair[1]]
    if odd:
        raise DataError(
            f"y has the column {odd[0][0]!r} where X has {odd[0][1]!r}; take y[X.columns]", column=odd[0][0]
        )
    return _ones(wanted)


def _histories(matrix: sp.csr_matrix) -> Histories:
    """Row number = code of the user; column + 1 = code of the item."""
    return Histories(matrix.indptr.astype(np.int64), (matrix.indices + 1).astype(np.int32), matrix.shape[1] + 1)


def _split(matrix: sp.csr_matrix, names: list[Any]) -> Split:
    """All of it to train on, under codes from 1."""
    users, items = matrix.nonzero()
    columns = {"user": (users + 1).astype(np.int32), "item": (items + 1).astype(np.int32)}
    vocabularies = {
        "user": Vocabulary("user", [str(number) for number in range(matrix.shape[0])]),
        "item": Vocabulary("item", [str(name) for name in names]),
    }
    data = Dataset(columns, vocabularies, Roles(user="user", item="item"))
    none = data.take(np.zeros(0, dtype=np.int64))
    return Split(data, none, none)
