import pytest
import torch

from recprune.errors import SurveyError
from recprune.importance.fields import rank_fields
from recprune.importance.probe import Probe
from recprune.importance.rules.permutation import Permutation
from recprune.testing.cases import tiny_factors, tiny_fields


def test_a_field_is_worth_the_rise_of_the_loss_when_its_column_is_shuffled() -> None:
    case = tiny_fields()
    probe = Probe(case.model, case.survey, case.batches, case.loss)
    found = rank_fields(case.model, case.batches, case.loss, repeats=7, seed=3)
    for name in ("city", "hour"):
        worth = Permutation(repeats=7, seed=3)(case.survey.site(f"{name}.field"), probe)
        assert worth.tolist() == pytest.approx([found.of(name)[0]])


def test_a_field_that_the_model_does_not_read_is_worth_nothing() -> None:
    case = tiny_fields()
    with torch.no_grad():
        case.model.last.weight[:, 2:] = 0
    probe = Probe(case.model, case.survey, case.batches, case.loss)
    assert Permutation()(case.survey.site("hour.field"), probe).item() == 0
    assert Permutation()(case.survey.site("city.field"), probe).item() != 0


def test_all_fields_are_shuffled_in_one_go() -> None:
    case, calls = tiny_fields(), []

    def loss(output, target):
        calls.append(1)
        return case.loss(output, target)

    probe = Probe(case.model, case.survey, case.batches, loss)
    Permutation(repeats=2)(case.survey.site("city.field"), probe)
    before = len(calls)
    Permutation(repeats=2)(case.survey.site("hour.field"), probe)
    assert len(calls) == before > 0


def test_other_kinds_and_models_without_such_a_column_are_refused_with_the_site() -> None:
    case = tiny_factors()
    with pytest.raises(SurveyError) as error:
        Permutation()(case.survey.site("user.id"), Probe(case.model, case.survey, case.batches, case.loss))
    assert (error.value.site, error.value.kind) == ("user.id", "id")
    fields = tiny_fields()
    fields.model.columns = ("town", "hour")
    with pytest.raises(SurveyError) as error:
        Permutation()(fields.survey.sites[0], Probe(fields.model, fields.survey, fields.batches, fields.loss))
    assert error.value.site == "city.field"
