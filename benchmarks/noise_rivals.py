"""What scikit-learn would keep: rivals of `select_fields`, for `benchmarks.noise_fields`.

Every field becomes one number, the cross-fitted mean of the label (TargetEncoder), but for mutual information, which
takes the codes as they are. Four rivals have no stop rule: they are told how many fields are real, which
`select_fields` is not.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.feature_selection import RFE, RFECV, mutual_info_classif
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler, TargetEncoder

from recprune.data.dataset import Dataset, Split

__all__ = ["Choice", "rivals"]

ROWS = 20_000  # of train for the slow ones, and of validation


@dataclass(frozen=True, slots=True)
class Choice:
    """What a method keeps, and how many seconds of the processor it took."""

    kept: tuple[str, ...]
    seconds: float


def rivals(split: Split, real: int, seed: int) -> dict[str, Choice]:
    """Method -> its choice. real: how many fields the log really has."""
    fields = split.train.fields
    begin = time.process_time()
    codes, label = _codes(split.train), split.train["label"]
    encoder = TargetEncoder(target_type="binary", cv=StratifiedKFold(3, shuffle=True, random_state=seed))
    train = encoder.fit_transform(codes, label)
    scaler = StandardScaler().fit(train)
    x = scaler.transform(train)
    valid = scaler.transform(encoder.transform(_codes(split.valid)))
    shared = time.process_time() - begin
    few = np.random.default_rng(seed).permutation(len(x))[:ROWS]
    some = np.random.default_rng(seed).permutation(len(valid))[:ROWS]
    logistic = LogisticRegression(max_iter=200)

    def rfe() -> NDArray[np.bool_]:
        return np.asarray(RFE(logistic, n_features_to_select=real).fit(x, label).support_)

    def rfecv() -> NDArray[np.bool_]:
        return np.asarray(RFECV(logistic, cv=3, scoring="neg_log_loss").fit(x[few], label[few]).support_)

    def information() -> NDArray[np.bool_]:
        worth = mutual_info_classif(codes[few], label[few], discrete_features=True, random_state=seed)
        return _largest(worth, real)

    def boosting() -> NDArray[np.bool_]:
        model = GradientBoostingClassifier(n_estimators=50, random_state=seed).fit(x[few], label[few])
        return _largest(model.feature_importances_, real)

    def shuffled() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        model = HistGradientBoostingClassifier(random_state=seed).fit(x, label)
        found = permutation_importance(
            model, valid[some], split.valid["label"][some], scoring="neg_log_loss", n_repeats=5, random_state=seed
        )
        return found.importances_mean, found.importances_std

    out = {}
    for name, method in (
        ("RFE, logistic, told the number", rfe),
        ("RFECV, logistic", rfecv),
        ("mutual information, told the number", information),
        ("gradient boosting importance, told the number", boosting),
    ):
        begin = time.process_time()
        support = method()
        out[name] = Choice(_named(fields, support), time.process_time() - begin + shared)
    begin = time.process_time()
    mean, spread = shuffled()
    taken = time.process_time() - begin + shared
    out["permutation of HistGradientBoosting, told the number"] = Choice(_named(fields, _largest(mean, real)), taken)
    out["permutation of HistGradientBoosting, above 2 sd"] = Choice(
        _named(fields, (mean > 2 * spread) | _largest(mean, 1)), taken
    )
    return out


def _codes(part: Dataset) -> NDArray[np.int64]:
    return np.stack([part[name].astype(np.int64) for name in part.fields], axis=1)


def _largest(worth: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    out = np.zeros(len(worth), dtype=bool)
    out[np.argsort(-worth, kind="stable")[:count]] = True
    return out


def _named(fields: tuple[str, ...], support: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(name for name, stays in zip(fields, support, strict=True) if stays)
