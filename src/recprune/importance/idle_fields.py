"""Which fields may leave: what a rise has to exceed to count, one by one and together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from recprune.importance.fields import FieldImportance

__all__ = ["critical_rises", "idle_alone", "idle_together"]

Shuffle = Callable[[Mapping[str, Sequence[str]]], FieldImportance]
"""groups -> their importance: `rank_fields` of one model."""


def critical_rises(found: FieldImportance, level: float = 0.95) -> NDArray[np.float64]:
    """(names,) what the rise of each field has to exceed to be above 0: the standard error times a normal quantile.

    Holm 1979, section 3: fields come in the order of rise over standard error; the first is tested at
    (1 - level) / fields, the next at (1 - level) / (fields - 1), and so on; from the first that is not above 0 on, none
    is, and the quantile stays. So the chance that any field without a rise counts as one that matters is 1 - level.
    The same quantile the other way round: a field that is not above its critical rise has, at that level, a true rise
    below twice the critical one. That is the smallest effect that these rows can tell both ways.
    """
    fields = len(found.names)
    sure = np.divide(found.mean, found.standard_error, out=np.zeros(fields), where=found.standard_error > 0)
    out, passed, failed = np.empty(fields), 0, False
    for place in np.lexsort((np.arange(fields), -sure)):
        quantile = NormalDist().inv_cdf(1 - (1 - level) / (fields - passed))
        out[place] = quantile * found.standard_error[place]
        failed = failed or bool(sure[place] <= quantile)
        passed += not failed
    return out


def idle_alone(found: FieldImportance, critical: NDArray[np.float64], needed: Collection[str] = ()) -> list[str]:
    """Fields whose rise is not above their critical one, the smallest rise first; not those that are needed.

    Where that is every field, the one of the largest rise is left out: a model keeps a field.
    """
    order = np.lexsort((np.arange(len(found.names)), found.mean))
    small = [found.names[place] for place in order if found.mean[place] <= critical[place]]
    leaving = [name for name in small if name not in needed]
    return leaving[:-1] if len(leaving) == len(found.names) else leaving


def idle_together(shuffle: Shuffle, names: Sequence[str], level: float = 0.95) -> list[str]:
    """As many of the names, from the first on, as can be shuffled together without a rise; one in any case.

    Fields that say the same cover for each other while they are shuffled one by one.
    """
    bar = NormalDist().inv_cdf(level)

    def risen(groups: Mapping[str, Sequence[str]]) -> list[bool]:
        found = shuffle(groups)
        return [bool(rise > bar * error) for rise, error in zip(found.mean, found.standard_error, strict=True)]

    if len(names) < 2 or not risen({"all": names})[0]:
        return list(names)
    firsts = {str(count): names[:count] for count in range(2, len(names))}
    return list(names[: 1 + [*(risen(firsts) if firsts else []), True].index(True)])
