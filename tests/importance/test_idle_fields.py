from statistics import NormalDist

import numpy as np
import pytest

from recprune.importance.fields import FieldImportance
from recprune.importance.idle_fields import critical_rises, idle_alone, idle_together


def importance(**rises: tuple[float, float]) -> FieldImportance:
    mean, error = (np.array(column, dtype=float) for column in zip(*rises.values(), strict=True))
    return FieldImportance(tuple(rises), mean, error, 0.5, 1000, 5)


def z(share: float) -> float:
    return NormalDist().inv_cdf(1 - share)


def test_critical_rises_are_those_of_holms_steps_by_hand() -> None:
    found = importance(a=(0.1, 2.0), b=(9.0, 1.0), c=(2.2, 1.0), d=(0.0, 0.0))
    expected = [2.0 * z(0.05 / 2), 1.0 * z(0.05 / 4), 1.0 * z(0.05 / 3), 0.0]
    assert critical_rises(found) == pytest.approx(expected)
    assert idle_alone(found, critical_rises(found)) == ["d", "a"]


def test_from_the_first_that_fails_on_the_quantile_stays_and_none_passes() -> None:
    found = importance(a=(9.0, 1.0), b=(1.9, 1.0), c=(1.8, 1.0))
    assert critical_rises(found) == pytest.approx([z(0.05 / 3), z(0.05 / 2), z(0.05 / 2)])
    assert idle_alone(found, critical_rises(found)) == ["c", "b"]


def test_among_many_fields_without_a_rise_none_counts_but_as_rarely_as_the_level_says() -> None:
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(400):
        noise = {f"n{place}": (float(rise), 1.0) for place, rise in enumerate(rng.normal(size=30))}
        found = importance(real=(12.0, 1.0), **noise)
        wrong += len(idle_alone(found, critical_rises(found))) < 30
    assert 5 <= wrong <= 35


def test_a_stricter_level_asks_for_more() -> None:
    found = importance(a=(1.0, 1.0), b=(3.0, 1.0))
    assert np.all(critical_rises(found, 0.99) > critical_rises(found, 0.95))


def test_what_is_needed_stays_and_the_last_field_too() -> None:
    found = importance(a=(0.1, 1.0), b=(-0.2, 1.0), c=(0.3, 1.0))
    critical = critical_rises(found)
    assert idle_alone(found, critical, {"b"}) == ["a", "c"]
    assert idle_alone(found, critical) == ["b", "a"]


def majority(votes: int):
    """Fields a, b, c, ... say the same: the loss rises when `votes` of them are shuffled together."""
    asked = []

    def shuffle(groups):
        asked.append(dict(groups))
        return importance(**{name: (5.0 if len(names) >= votes else 0.0, 1.0) for name, names in groups.items()})

    return shuffle, asked


@pytest.mark.parametrize(("votes", "left"), [(2, "a"), (3, "ab"), (5, "abcd"), (6, "abcde")])
def test_as_many_leave_as_can_be_shuffled_together(votes: int, left: str) -> None:
    shuffle, _ = majority(votes)
    assert idle_together(shuffle, list("abcde")) == list(left)


def test_one_field_is_not_shuffled_again_and_none_is_no_question() -> None:
    shuffle, asked = majority(1)
    assert idle_together(shuffle, ["a"]) == ["a"]
    assert idle_together(shuffle, []) == []
    assert asked == []
