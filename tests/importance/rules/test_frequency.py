import pytest
import torch

from recprune.errors import SurveyError
from recprune.importance.probe import Probe
from recprune.importance.rules.frequency import Frequency
from recprune.testing.cases import tiny_factors, tiny_item_item


def test_an_id_is_worth_how_often_it_occurs() -> None:
    case = tiny_factors()
    probe = Probe(case.model, case.survey, counts={"user": torch.tensor([0, 5, 1, 0, 9, 2, 3])})
    assert Frequency()(case.survey.site("user.id"), probe).tolist() == [5, 1, 0, 9, 2, 3]


def test_an_entry_is_worth_its_size_times_the_root_of_how_often_its_input_occurs() -> None:
    case = tiny_item_item()
    counts = torch.tensor([0, 4, 1, 9, 0, 16])
    worth = Frequency()(case.survey.sites[0], Probe(case.model, case.survey, counts={"item": counts}))
    expected = case.model.items.weight.detach().double().abs() * torch.tensor([0, 2, 1, 3, 0, 4]).double()
    assert torch.allclose(worth.reshape(6, 6), expected)


def test_a_kind_that_does_not_occur_in_data_is_refused_with_the_kinds_that_can() -> None:
    case = tiny_factors()
    with pytest.raises(SurveyError, match="ids and entries") as error:
        Frequency()(case.survey.site("user+item.dim"), Probe(case.model, case.survey, counts=case.counts))
    assert error.value.kind == "dim"


@pytest.mark.parametrize(("case", "column"), [(tiny_factors(), "user"), (tiny_item_item(), "item")])
def test_missing_counts_are_refused_with_the_column(case, column: str) -> None:
    with pytest.raises(SurveyError) as error:
        Frequency()(case.survey.sites[-1], Probe(case.model, case.survey))
    assert error.value.column == column


def test_counts_of_other_items_are_refused() -> None:
    case = tiny_item_item()
    with pytest.raises(SurveyError, match="same items"):
        Frequency()(case.survey.sites[0], Probe(case.model, case.survey, counts={"item": torch.ones(5)}))
