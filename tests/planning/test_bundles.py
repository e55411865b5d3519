"""Units that leave together, worked by hand."""

import pytest
import torch

from recprune.errors import BudgetError
from recprune.planning.budget import Budget
from recprune.planning.bundles import bundled, fewest, finite
from recprune.tracing.site import Cut, Kind, Site

HIDDEN = Site("hidden", Kind.NEURON, 7, (Cut("a.weight", 0),))
IDS = Site("id", Kind.ID, 3, (Cut("b.weight", 0),))


def test_bundles_leave_a_multiple_and_the_floor_and_are_priced_by_entry_never_below_the_one_before():
    worth = torch.tensor([9.0, 1, 8, 3, 2, 7, 6])
    found = bundled([HIDDEN, IDS], [worth, torch.tensor([5.0, 4, 6])], Budget(0.5, multiple=2), [2.0, 10.0])
    assert found.of_unit[0].tolist() == [-1, 0, -1, 1, 1, 2, 2]
    assert found.site.tolist() == [0, 0, 0, 1, 1]
    assert found.price.tolist() == pytest.approx([0.5, 5 / 4, 13 / 4, 0.4, 0.5])
    assert found.of_unit[1].tolist() == [4, 3, -1]


def test_no_site_gives_no_bundle():
    found = bundled([], [], Budget(0.5), [])
    assert (len(found.price), len(found.site), found.of_unit) == (0, 0, [])


def test_a_share_to_keep_holds_for_neurons_and_not_for_ids():
    budget = Budget(0.5, floor=2, keep=0.5)
    assert (fewest(HIDDEN, budget), fewest(IDS, budget)) == (4, 2)


@pytest.mark.parametrize("score", [torch.ones(4), torch.tensor([1.0, float("nan"), 2.0])])
def test_scores_that_are_not_one_finite_number_a_unit_are_refused_by_the_site(score):
    with pytest.raises(BudgetError, match="must be 3 finite numbers") as error:
        finite(IDS, score)
    assert error.value.site == "id"
