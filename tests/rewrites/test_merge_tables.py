"""Tables that are looked up side by side become one."""

import copy

import pytest
import torch
from torch import Tensor, nn

from recprune.errors import SurgeryError
from recprune.rewrites.merge_tables import merge_tables

SIZES = (9, 7, 5)


class PerField(nn.Module):
    """Tables and width-1 terms of each field, and a number beside them."""

    columns = ("a", "b", "c", "x")

    def __init__(self, widths: tuple[int, ...] = (4, 4, 4)) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(n, d) for n, d in zip(SIZES, widths, strict=True))
        self.terms = nn.ModuleList(nn.Embedding(n, 1) for n in SIZES)
        self.out = nn.Linear(sum(widths) + 1, 1)

    def forward(self, a: Tensor, b: Tensor, c: Tensor, x: Tensor) -> Tensor:
        rows = [table(column) for table, column in zip(self.tables, (a, b, c), strict=True)]
        first = torch.stack([term(column) for term, column in zip(self.terms, (a, b, c), strict=True)], 1).sum((1, 2))
        return first + self.out(torch.cat([x.unsqueeze(1), *rows], 1)).squeeze(1)


class Columns(PerField):
    """The same over `*columns`."""

    def forward(self, *columns: Tensor) -> Tensor:
        return super().forward(*columns)


def asked(rows: int = 6) -> tuple[Tensor, ...]:
    torch.manual_seed(rows)
    return (*(torch.randint(n, (rows,)) for n in SIZES), torch.randn(rows))


def lookups(model: nn.Module) -> int:
    return sum(node.target is torch.ops.aten.embedding.default for node in model.graph.nodes)


@pytest.mark.parametrize("kind", [PerField, Columns])
def test_one_lookup_takes_the_place_of_many_and_answers_are_the_same(kind: type[PerField]):
    model = kind().eval()
    kept = copy.deepcopy(model.state_dict())
    merged = merge_tables(model, asked())
    assert lookups(merged) == 2
    assert merged.columns == model.columns
    assert sorted(tuple(p.shape) for p in merged.parameters()) == [(1,), (1, 13), (21, 1), (21, 4)]
    for rows in (1, 2, 50):
        torch.testing.assert_close(merged(*asked(rows)), model(*asked(rows)), rtol=1e-5, atol=1e-6)
    assert all(torch.equal(kept[name], tensor) for name, tensor in model.state_dict().items())


def test_tables_of_other_widths_stay_apart():
    model = PerField((4, 4, 3)).eval()
    merged = merge_tables(model, asked())
    assert lookups(merged) == 3
    torch.testing.assert_close(merged(*asked(20)), model(*asked(20)), rtol=1e-5, atol=1e-6)


def test_a_table_that_is_read_elsewhere_too_stays():
    class Twice(PerField):
        def forward(self, a: Tensor, b: Tensor, c: Tensor, x: Tensor) -> Tensor:
            return super().forward(a, b, c, x) + self.tables[0](a).sum(1)

    model = Twice().eval()
    merged = merge_tables(model, asked())
    assert lookups(merged) == 4
    torch.testing.assert_close(merged(*asked(20)), model(*asked(20)), rtol=1e-5, atol=1e-6)


def test_a_model_with_nothing_to_merge_is_itself():
    model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 1))
    assert merge_tables(model, (torch.randint(5, (3,)),)) is model


class Counts(PerField):
    def forward(self, a: Tensor, b: Tensor, c: Tensor, x: Tensor) -> Tensor:
        return super().forward(a, b, c, x) + torch.zeros(len(a))


def test_a_forward_that_asks_for_the_number_of_rows_is_refused():
    with pytest.raises(SurgeryError, match=r"with 1 rows.*x\.shape\[0\]"):
        merge_tables(Counts().eval(), asked())


def test_what_cannot_be_exported_is_refused():
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + 1 if x.sum() > 0 else x

    with pytest.raises(SurgeryError, match="cannot be exported"):
        merge_tables(Odd(), (torch.ones(3),))
    with pytest.raises(SurgeryError, match="of tensors in order"):
        merge_tables(Odd(), ({"x": torch.ones(3)},))
