import numpy as np
import pytest

from recprune.evaluation.inputs import known


def test_each_user_is_judged_by_both_models_and_what_was_known_is_counted(lists_run, found_in):
    found = found_in(lists_run)
    judged, histories = found.judged, known(found.split, "test")
    assert judged.users.tolist() == judged.before.cases.tolist() == judged.after.cases.tolist()
    assert judged.seen.tolist() == histories.counts()[judged.users].tolist()
    metric = found.comparison.headline
    change = judged.after.per_case[metric].mean() - judged.before.per_case[metric].mean()
    assert change == pytest.approx(found.comparison.difference(metric).value)


def test_each_row_has_its_user(clicks_run, found_in):
    found = found_in(clicks_run)
    assert np.array_equal(found.judged.users, found.split.test["user"])
    assert len(found.judged.seen) == found.comparison.cases
