"""Items that are answers leave by how often they occur, all else by what the error would rise by."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recprune.errors import SurveyError
from recprune.importance.probe import Probe
from recprune.importance.rules.mse_increase import MseIncrease
from recprune.importance.rules.taylor import Taylor
from recprune.importance.rules.usual import Usual
from recprune.tracing.trace import survey


class Model(nn.Module):
    columns = ("past",)

    def __init__(self) -> None:
        super().__init__()
        self.item, self.up, self.down = nn.Embedding(9, 4), nn.Linear(4, 6), nn.Linear(6, 4)

    def forward(self, past: Tensor) -> Tensor:
        return self.down(torch.relu(self.up(self.item(past).sum(1)))) @ self.item.weight.T


@pytest.fixture
def asked() -> Probe:
    torch.manual_seed(0)
    model, past = Model().eval(), torch.randint(9, (12, 3))
    batches = [((past,), torch.arange(12) % 8 + 1)]
    found = survey(model, (past,))
    return Probe(model, found, batches, F.cross_entropy, {"past": torch.tensor([3, 5, 1, 0, 9, 2, 3, 4, 8])})


def test_an_item_is_worth_how_often_it_occurs(asked: Probe) -> None:
    worth = Usual()(asked.survey.site("past.id"), asked)
    assert worth.tolist() == [5, 1, 0, 9, 2, 3, 4, 8]


def test_other_units_are_measured_and_where_there_are_many_estimated(asked: Probe) -> None:
    site = asked.survey.site("up.neuron")
    assert torch.equal(Usual()(site, asked), MseIncrease()(site, asked))
    assert torch.equal(Usual(most=5)(site, asked), Taylor()(site, asked))


def test_without_counts_items_are_refused(asked: Probe) -> None:
    with pytest.raises(SurveyError, match="how often"):
        Usual()(asked.survey.site("past.id"), Probe(asked.model, asked.survey, asked.batches, F.cross_entropy))


def test_an_item_left_out_is_read_as_unknown_and_not_found(asked: Probe) -> None:
    site = asked.survey.site("past.id")
    (past,), target = asked.batches[0]
    kept = target != 4
    probe = Probe(asked.model, asked.survey, [((past[kept],), target[kept])], F.cross_entropy)
    scores = asked.model(torch.where(past[kept] == 4, 0, past[kept]))
    wanted = F.cross_entropy(scores[:, [0, 1, 2, 3, 5, 6, 7, 8]], target[kept] - (target[kept] > 4).long())
    assert probe.loss_without(site, 3) == pytest.approx(wanted.item(), rel=1e-5)
    assert "forward" not in vars(asked.model)
