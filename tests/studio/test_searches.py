import pytest

from recprune.errors import BudgetError
from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.studio.messages import Wish
from recprune.studio.refusals import Refused
from recprune.studio.searches import KEPT, Searches
from recprune.studio.sought import Goal, Sought


def drop(share, **more):
    return Wish("magnitude", max_drop=share, **more)


@pytest.fixture
def searches():
    return Searches(drops={"metrics": [{"name": "auc"}, {"name": "logloss"}]})


def test_a_metric_that_is_not_named_is_the_first(searches):
    assert searches.asked(drop(0.1)) == searches.asked(drop(0.1, metric="auc"))
    assert searches.asked(drop(0.1)) != searches.asked(drop(0.1, metric="logloss"))
    with pytest.raises(Refused):
        searches.asked(drop(0.1, metric="rmse"))


def test_epochs_and_bits_tell_models_apart_where_they_are_trained_and_not_where_they_are_timed(searches):
    assert searches.asked(drop(0.1, epochs=3)) != searches.asked(drop(0.1, epochs=4))
    assert searches.asked(drop(0.1, bits=False)) != searches.asked(drop(0.1))
    timed = [Wish("magnitude", milliseconds=1.0, epochs=n, bits=bool(n)) for n in (0, 3)]
    assert searches.asked(timed[0]) == searches.asked(timed[1])


def test_the_latest_are_remembered_and_a_refusal_is_one_of_them(searches, at_desk):
    plan = Plan(at_desk("lists").found, {}, Budget(0.0))
    for number in range(KEPT + 1):
        searches.put(searches.asked(drop(number / 100)), Sought(plan, Goal("auc", 1.0, float(number))))
    assert searches.of(drop(KEPT / 100)).goal.after == KEPT
    with pytest.raises(Refused):
        searches.of(drop(0.0))
    searches.put(searches.asked(drop(0.5)), BudgetError("not so"))
    with pytest.raises(BudgetError, match="not so"):
        searches.of(drop(0.5))
