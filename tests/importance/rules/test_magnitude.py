import pytest
import torch

from recprune.errors import SurveyError
from recprune.importance.probe import Probe
from recprune.importance.rules.magnitude import Magnitude
from recprune.testing.cases import tiny_item_item, tiny_mlp


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_a_neuron_is_worth_its_row_its_bias_its_norm_and_its_column(p: float) -> None:
    case = tiny_mlp()
    first, norm, _, last = case.model
    worth = Magnitude(p)(case.survey.sites[0], Probe(case.model, case.survey))
    for unit in range(6):
        numbers = [first.weight[unit], first.bias[unit], norm.weight[unit], norm.bias[unit], last.weight[:, unit]]
        expected = sum(float(n.detach().double().abs().pow(p).sum()) for n in numbers)
        assert worth[unit].item() == pytest.approx(expected, rel=1e-6)


def test_an_entry_is_worth_its_own_size() -> None:
    case = tiny_item_item()
    worth = Magnitude()(case.survey.sites[0], Probe(case.model, case.survey))
    assert torch.allclose(worth.reshape(6, 6), case.model.items.weight.detach().double().square())


@pytest.mark.parametrize("p", [0, -1, float("nan")])
def test_a_power_without_sense_is_refused(p) -> None:
    with pytest.raises(SurveyError) as error:
        Magnitude(p)
    assert "p" in error.value.parts
