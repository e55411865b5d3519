import numpy as np
import pytest
import torch
from torch import nn

from recprune.encodings.item_item import ItemItem
from recprune.errors import SurveyError
from recprune.importance.probe import Probe
from recprune.importance.rules.magprune import Magprune
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.testing.cases import tiny_item_item, tiny_mlp
from recprune.tracing.site import Cut, Kind, Site, Survey

SHARES = [0.0, 0.3, 0.5, 1.0]


def uneven():
    """Rows of very unlike sizes: by size alone the small rows lose everything."""
    case = tiny_item_item()
    with torch.no_grad():
        case.model.items.weight.mul_(10.0 ** torch.arange(6)[:, None])
    return case, Probe(case.model, case.survey)


@pytest.mark.parametrize("floor", SHARES)
def test_the_score_is_that_of_a_slow_loop(floor: float) -> None:
    case, probe = uneven()
    worth = Magprune(floor)(case.survey.sites[0], probe).reshape(6, 6)
    sizes = case.model.items.weight.detach().double().abs()
    inside = int(np.ceil(floor * 6 - 1e-9))
    for i in range(6):
        for j in range(6):
            place = int((sizes[i] > sizes[i, j]).sum())
            expected = 2 - place / 6 if place < inside else float((sizes < sizes[i, j]).sum()) / 36
            assert worth[i, j].item() == pytest.approx(expected)


@pytest.mark.parametrize("floor", SHARES)
def test_choose_keeps_the_floor_of_every_row(floor: float) -> None:
    case, probe = uneven()
    site = case.survey.sites[0]
    chosen = choose(case.survey, {site.name: Magprune(floor)(site, probe)}, Budget(factor=0.4))
    counts = np.bincount(np.asarray(chosen.kept[site.name]) // 6, minlength=6)
    assert counts.sum() == 21
    assert counts.min() >= min(int(np.ceil(floor * 6)), 3)
    if floor == 0:
        assert counts.min() == 0


def test_with_the_whole_row_as_floor_all_rows_keep_alike() -> None:
    case, probe = uneven()
    site = case.survey.sites[0]
    chosen = choose(case.survey, {site.name: Magprune(1.0)(site, probe)}, Budget(factor=2 / 3))
    assert np.bincount(np.asarray(chosen.kept[site.name]) // 6).tolist() == [2] * 6


def test_entries_of_a_packed_matrix_have_their_rows_too() -> None:
    model = nn.Sequential(
        ItemItem.encode(torch.tensor([[9.0, 8.0, 7.0], [0.1, 0.0, 0.2]]), torch.tensor([0, 1, 2, 3, 5]))
    )
    site = Site("entry", Kind.ENTRY, 5, (Cut("0.values", 0), Cut("0.indices", 0)))
    worth = Magprune(0.5)(site, Probe(model, Survey((site,), {}, {}, {}, "")))
    assert worth.argsort(descending=True).tolist()[:3] in ([0, 4, 1], [4, 0, 1])
    assert worth[[2, 3]].max() < 1 < worth[[0, 1, 4]].min()


def test_other_kinds_and_a_floor_that_is_no_share_are_refused() -> None:
    case = tiny_mlp()
    with pytest.raises(SurveyError) as error:
        Magprune()(case.survey.sites[0], Probe(case.model, case.survey))
    assert error.value.site == "0.neuron"
    with pytest.raises(SurveyError) as error:
        Magprune(floor=1.5)
    assert error.value.floor == 1.5
