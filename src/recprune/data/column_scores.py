"""What a column is worth: four rules, and elimination one column after the other.

Z is the standardised matrix (n, p), y (n, k) the targets with mean 0, w (p, k) the ridge coefficients, r = y - Z w
what is left, A = Z.T Z / n + alpha I. Where k > 1 the sum over targets is meant.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recprune.data.ridge import Ridge, ridge, ridge_inverse
from recprune.data.standardise import Standardised
from recprune.errors import DataError

__all__ = ["RULES", "cheapest", "check_rule", "column_scores", "eliminated"]

Floats = NDArray[np.float64]


def column_scores(z: Standardised, y: Floats, rule: str, alpha: float) -> Floats:
    """(p,) what each column is worth by a rule of RULES or by "mean_square_ratio"; 0 for a constant column."""
    out = np.zeros(z.shape[1])
    varies = np.setdiff1d(np.arange(len(out)), z.constant)
    if len(varies):
        part = z.take(varies)
        alone = rule == "mean_square_ratio"
        out[varies] = mean_square_ratio(part, y) if alone else RULES[rule](part, y, ridge(part, y, alpha))
    return out


def eliminated(z: Standardised, y: Floats, rule: str, alpha: float, count: int) -> tuple[Floats, NDArray[np.int64]]:
    """Take out `count` columns one after the other, each time the cheapest of the model that is left.

    After a column leaves, the model is fitted again, exactly: with P = A^-1, P -= P_j P_j.T / P_jj and
    w -= P_j w_j / P_jj. Of columns that say the same, one stays. Returns what each column was worth when it left (when
    all had left that were to), and the columns in the order in which they left. Constant columns leave first.
    Costs p^2 a column. Guyon et al. 2002, section 4 (recursive elimination).
    """
    out = np.zeros(z.shape[1])
    varies = np.setdiff1d(np.arange(len(out)), z.constant)
    left = list(z.constant[::-1][:count])
    part = z.take(varies)
    inverse = ridge_inverse(part, alpha) if len(varies) else np.zeros((0, 0))
    coef = inverse @ (part.rmatmul(y) / len(y))
    there = np.ones(len(varies), dtype=bool)
    for step in range(len(left), count + 1):
        diagonal = np.where(there, np.diag(inverse), 1.0)
        scores = RULES[rule](part, y, Ridge(coef, diagonal))
        out[varies[there]] = scores[there]
        if step == count:
            break
        leaves = int(cheapest(scores, ~there)[0])
        column = inverse[:, leaves] / np.sqrt(inverse[leaves, leaves])
        coef -= np.outer(column / np.sqrt(inverse[leaves, leaves]), coef[leaves])
        inverse -= np.outer(column, column)
        coef[leaves], inverse[leaves], inverse[:, leaves] = 0.0, 0.0, 0.0
        there[leaves] = False
        left.append(varies[leaves])
    return out, np.array(left, dtype=np.int64)


def cheapest(scores: Floats, never: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
    """Columns in the order in which they leave; of equal ones the last is first.

    Equal is what differs by less than 1e-10 of the largest, so that rounding decides nothing. never: not these.
    """
    open_ = np.arange(len(scores)) if never is None else np.flatnonzero(~never)
    worth = scores[open_]
    largest = float(worth.max(initial=0.0))
    rounded = np.round(worth / largest, 10) if largest > 0 else np.zeros(len(worth))
    return open_[np.lexsort((-open_, rounded))]


def weight(z: Standardised, y: Floats, fitted: Ridge) -> Floats:
    """sqrt(sum_k w_jk^2): the size of the coefficient."""
    return np.asarray(np.sqrt((fitted.coef**2).sum(1)))


def gradient(z: Standardised, y: Floats, fitted: Ridge) -> Floats:
    """mean_i |d loss_i / d z_ij * z_ij| = sum_k |w_jk| mean_i |r_ik z_ij|, the loss of a row being |r_i|^2 / 2.

    To first order the change of a row's loss when its entry becomes the average. Molchanov et al. 2017, section 2.2.
    """
    left = np.abs(y - z @ fitted.coef)
    centre = np.abs(z.mean_)
    data = np.abs(z.x.data - z.mean_[z.x.indices]) - centre[z.x.indices]
    sums = sp.csr_matrix((data, z.x.indices, z.x.indptr), shape=z.shape).T @ left
    sums += np.multiply.outer(centre, left.sum(0))
    return np.asarray((np.abs(fitted.coef) * sums).sum(1) / (z.scale_ * len(y)))


def mse(z: Standardised, y: Floats, fitted: Ridge) -> Floats:
    """sum_k w_jk^2 / (A^-1)_jj: by how much the least mean squared error, penalty included, rises without the column.

    Exact: as if the model were fitted again without it. Hassibi and Stork 1993, equation 5.
    """
    return np.asarray((fitted.coef**2).sum(1) / fitted.inverse_diagonal)


def mean_square_ratio(z: Standardised, y: Floats) -> Floats:
    """F = explained / (left / (n - 2)), explained = sum_k (z_j . y_k / n)^2, left = sum_k mean(y_k^2) - explained.

    The mean square that a regression on this column alone explains over the mean square that it leaves. Fisher 1925.
    """
    n = len(y)
    explained = ((z.rmatmul(y) / n) ** 2).sum(1)
    total = float((y**2).mean(0).sum())
    left = np.maximum(total - explained, total * np.finfo(float).eps)
    return np.asarray(explained * max(n - 2, 1) / np.where(left > 0, left, 1))


RULES: dict[str, Callable[[Standardised, Floats, Ridge], Floats]] = {"weight": weight, "gradient": gradient, "mse": mse}
"""Rules that ask a fitted model."""


def check_rule(rule: str, stepwise: bool) -> None:
    """Raises DataError for a rule that there is not, or that cannot eliminate step by step."""
    names = (*RULES, "mean_square_ratio")
    if rule not in names:
        raise DataError(f"no rule {rule!r} for columns; there are: {', '.join(names)}", rule=rule)
    if stepwise and rule not in RULES:
        raise DataError(
            f"{rule} looks at each column alone, so that nothing changes when others leave; take stepwise=False, or "
            f"one of {', '.join(RULES)}",
            rule=rule,
        )
