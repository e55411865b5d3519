"""What every metric means, in one line: the same names mean other numbers elsewhere."""

from __future__ import annotations

from recprune.errors import DataError

__all__ = ["FORMULAS", "LOWER_IS_BETTER", "formula"]

LOWER_IS_BETTER = frozenset({"logloss", "rmse", "mae"})

FORMULAS = {
    "precision@k": "hits in the first {k} / {k}, mean over users",
    "recall@k": "hits in the first {k} / test items of the user, mean over users",
    "f1@k": "2 * precision@{k} * recall@{k} / (precision@{k} + recall@{k}) of each user, 0 without a hit, "
    "mean over users",
    "ndcg@k": "sum of 1 / log2(1 + place) over the hits in the first {k}, divided by the same sum over the first "
    "min({k}, test items of the user) places, mean over users",
    "mrr@k": "1 / place of the first hit in the first {k}, 0 without one, mean over users",
    "map@k": "sum of (hits up to the place / place) over the hits in the first {k}, divided by min({k}, test items of "
    "the user), mean over users",
    "hit@k": "share of users with a hit in the first {k}",
    "coverage@k": "items that stand in the first {k} of any user / all items",
    "tail_recall@k": "recall@{k} counted on tail items only, mean over users who have one in the test; the tail is the "
    "least popular items that together make up at most 20 % of the interactions known before (evaluate's `tail`)",
    "auc": "share of (positive, negative) pairs where the positive scores higher, ties count one half",
    "logloss": "mean of -(y ln p + (1 - y) ln(1 - p)), p = sigmoid of the score",
    "accuracy": "share of rows where (p >= 0.5) equals the label",
    "precision": "positives among the rows with p >= 0.5 / rows with p >= 0.5",
    "recall": "rows with p >= 0.5 among the positives / positives",
    "f1": "2 * (positives with p >= 0.5) / (rows with p >= 0.5 + positives)",
    "rmse": "square root of the mean of (score - rating)^2",
    "mae": "mean of |score - rating|",
}


def formula(metric: str) -> str:
    """The formula of a metric, with its k where it has one. Raises DataError for a name that is none.

    >>> formula("precision@10")
    'hits in the first 10 / 10, mean over users'
    """
    name, at, k = metric.partition("@")
    text = FORMULAS.get(f"{name}@k" if at else name)
    if text is None or (at and not k.isdecimal()):
        raise DataError(
            f"no metric {metric!r}; there are: {', '.join(FORMULAS)}, with a number for k, as in ndcg@20", metric=metric
        )
    return text.format(k=k)
