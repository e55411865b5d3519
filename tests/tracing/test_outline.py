"""A model without numbers has the survey of the same model with them."""

import pytest
import torch
from torch import Tensor, nn

from recprune.errors import SurveyError
from recprune.models.deepfm import DeepFM
from recprune.models.mf import MF
from recprune.models.sasrec import SASRec
from recprune.tracing.outline import outlined
from recprune.tracing.trace import survey
from recprune.tracing.weightless import weightless


class Counted(nn.Module):
    """It keeps the number of its items beside its table, and reads it in forward."""

    columns = ("item",)

    def __init__(self) -> None:
        super().__init__()
        self.n_items, self.item, self.last = 4001, nn.Embedding(4001, 4), nn.Linear(4, 1)

    def forward(self, item: Tensor) -> Tensor:
        return self.last(self.item(item.clamp(max=self.n_items - 1))).squeeze(1)


class Histories(nn.Module):
    """A history of all items comes in as one row of the width of the table."""

    columns = ("history",)

    def __init__(self) -> None:
        super().__init__()
        self.item, self.up = nn.Embedding(1500, 4), nn.Linear(4, 4)

    def forward(self, history: Tensor) -> Tensor:
        return self.up(history @ self.item.weight) @ self.item.weight.T


def codes(*sizes: int) -> tuple[Tensor, ...]:
    return tuple(torch.randint(size, (3,), generator=torch.Generator().manual_seed(size)) for size in sizes)


def fields() -> nn.Module:
    return DeepFM(
        ("user", "hour", "age", "item", "tags"), (3000, 7, 0, 2000, 1200), dim=4, hidden=(8,), multi=("tags",)
    )


CASES = {
    "a factorisation": (lambda: MF(5000, 4000, dim=8, start="random"), codes(5000)),
    "fields in one table": (fields, (*codes(3000, 7, 2000), torch.rand(3), torch.randint(1200, (3, 4)))),
    "sequences": (lambda: SASRec(3000, length=5, dim=8), (torch.randint(3000, (3, 5)),)),
    "a number in forward": (Counted, codes(4001)),
    "whole histories": (Histories, (torch.rand(3, 1500),)),
}


@pytest.mark.parametrize("name", CASES)
def test_a_model_without_numbers_has_the_survey_of_one_with_them(name):
    make, example = CASES[name]
    with weightless(over=1000):
        paper = make()
    assert any(tensor.is_meta for tensor in paper.parameters())
    wanted = survey(make(), example)
    assert wanted.sites
    assert survey(paper, example) == wanted


def test_a_whole_model_on_the_meta_device_is_surveyed_too():
    with torch.device("meta"):
        paper = MF(5000, 4000, dim=8)
    assert survey(paper, codes(5000)) == survey(MF(5000, 4000, dim=8, start="random"), codes(5000))


def test_a_table_of_a_terabyte_is_surveyed():
    with weightless():
        model = MF(4 * 10**9, 10**8, dim=64)
    found = survey(model, (torch.tensor([0, 7, 4 * 10**9 - 1]),))
    assert found.site("user.id").size == 4 * 10**9 - 1
    assert found.shapes["user.weight"] == (4 * 10**9, 64)


def test_offsets_without_numbers_are_refused():
    with torch.device("meta"):
        model = fields()
    with pytest.raises(SurveyError, match=r"offsets holds whole numbers.*weightless"):
        survey(model, CASES["fields in one table"][1])


def test_a_model_with_numbers_has_no_outline():
    assert outlined(Counted(), codes(4001)) is None
