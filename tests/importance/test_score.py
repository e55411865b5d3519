import pytest
import torch
from torch import Tensor

from recprune.errors import SurveyError
from recprune.importance.probe import Probe
from recprune.importance.rules.magnitude import Magnitude
from recprune.importance.score import score, spelled
from recprune.testing.cases import tiny_factors
from recprune.tracing.site import Kind, Site


def test_every_site_is_scored_in_the_order_of_the_survey() -> None:
    case = tiny_factors()
    told = []
    scores = score(
        case.survey,
        Magnitude(),
        Probe(case.model, case.survey),
        progress=lambda done, of, name: told.append((done, of, name)),
    )
    assert list(scores) == ["user+item.dim", "user.id"]
    assert [tuple(s.shape) for s in scores.values()] == [(4,), (6,)]
    assert told == [(0, 2, "user+item.dim"), (1, 2, "user.id")]


def test_only_the_kinds_asked_for_are_scored() -> None:
    case = tiny_factors()
    assert list(score(case.survey, Magnitude(), Probe(case.model, case.survey), kinds={Kind.ID})) == ["user.id"]


def test_a_score_that_is_not_finite_is_refused_with_the_site() -> None:
    case = tiny_factors()
    with torch.no_grad():
        case.model.user.weight[2, 1] = float("nan")
    with pytest.raises(SurveyError, match="1 of 4 scores") as error:
        score(case.survey, Magnitude(), Probe(case.model, case.survey))
    assert error.value.site == "user+item.dim"


def test_a_rule_of_the_wrong_shape_is_refused_with_its_name() -> None:
    case = tiny_factors()

    def one_number(site: Site, probe: Probe) -> Tensor:
        return torch.zeros(1)

    with pytest.raises(SurveyError, match=r"shape \(4,\)"):
        score(case.survey, one_number, Probe(case.model, case.survey))


def test_integers_of_a_rule_become_floats() -> None:
    case = tiny_factors()
    scores = score(case.survey, lambda site, probe: torch.arange(site.size), Probe(case.model, case.survey))
    assert scores["user.id"].dtype == torch.float64


def test_a_rule_is_spelled_as_it_would_be_written() -> None:
    assert spelled(Magnitude(p=1.0)) == "recprune.importance.rules.magnitude:Magnitude(p=1.0)"
    assert spelled(score).endswith("importance.score:score")
