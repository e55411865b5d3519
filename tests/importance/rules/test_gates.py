import pytest
import torch

from recprune.errors import SurveyError
from recprune.importance.gating import trained_gates
from recprune.importance.probe import Probe
from recprune.importance.rules.gates import Gates
from recprune.testing.cases import tiny_fields, tiny_mlp


def test_fields_are_gated_together_and_scored_by_how_open_they_were() -> None:
    case = tiny_fields()
    probe = Probe(case.model, case.survey, case.batches, case.loss, case.counts)
    sites = [case.survey.site("city.field"), case.survey.site("hour.field")]
    how = {"steps": 30, "lr": 0.1, "penalty": 0.4, "eps": 0.2, "seed": 5}
    found = trained_gates(case.model, case.survey, sites, case.batches, case.loss, **how)
    for site in sites:
        assert torch.equal(Gates(**how)(site, probe), found[site.name])


def test_a_neuron_that_is_always_off_shuts_before_those_that_the_output_needs() -> None:
    case = tiny_mlp()
    with torch.no_grad():
        case.model[1].bias[3] = -100.0
        batches = [((x,), case.model.eval()(x)) for (x,), _ in case.batches]
        on = torch.stack([case.model[:3](x).amax(0) > 0.1 for (x,), _ in batches]).any(0)
    worth = Gates()(case.survey.sites[0], Probe(case.model, case.survey, batches, case.loss))
    assert not on[3]
    assert worth[on].min() > worth[~on].max()


@pytest.mark.parametrize("option", ["steps", "lr", "penalty", "eps"])
def test_settings_that_train_nothing_are_refused(option: str) -> None:
    with pytest.raises(SurveyError) as error:
        Gates(**{option: 0})
    assert error.value.option == option
