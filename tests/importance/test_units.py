import pytest
import torch
from torch import nn

from recprune.errors import SurveyError
from recprune.importance.units import entries_of, fallback_of, left_out
from recprune.testing.cases import tiny_cases, tiny_factors
from recprune.tracing.site import FLAT, Cut, Kind, Site


@pytest.mark.parametrize(
    ("dim", "start", "width", "size"),
    [(0, 0, 1, 4), (0, 1, 1, 3), (1, 0, 1, 6), (1, 2, 2, 2), (2, 1, 1, 1), (FLAT, 3, 1, 40), (FLAT, 0, 5, 8)],
)
def test_entries_equal_a_slow_loop(dim: int, start: int, width: int, size: int) -> None:
    tensor = torch.arange(4 * 6 * 2).reshape(4, 6, 2).float()
    rows = entries_of(tensor, Cut("t", dim, start, width), size)
    for unit in range(size):
        begin = start + unit * width
        if dim == FLAT:
            expected = tensor.flatten()[begin : begin + width]
        else:
            expected = tensor.index_select(dim, torch.arange(begin, begin + width)).movedim(dim, 0).flatten()
        assert torch.equal(rows[unit], expected)


def test_a_vector_gives_one_entry_a_unit() -> None:
    assert entries_of(torch.tensor([3.0, 4.0, 5.0]), Cut("bias", 0, 1), 2).tolist() == [[4.0], [5.0]]


@pytest.mark.parametrize("cut", [Cut("t", 0, 2), Cut("t", 5), Cut("t", FLAT, 10, 2), Cut("t", 0, -1)])
def test_a_cut_beyond_the_tensor_is_refused(cut: Cut) -> None:
    with pytest.raises(SurveyError) as error:
        entries_of(torch.zeros(3, 4), cut, 2)
    assert error.value.tensor == "t"


def test_two_tables_of_one_id_fall_back_on_rows_at_the_same_distance() -> None:
    cuts = (Cut("table", 0, 4), Cut("first", 0, 7), Cut("out", 0))
    site = Site("city.id", Kind.ID, 2, cuts, column="city", fallback=3)
    features = frozenset({"table", "first"})
    table, first = torch.arange(12.0).reshape(6, 2), torch.arange(9.0).reshape(9, 1)
    assert fallback_of(table, site, cuts[0], features).tolist() == [[6.0, 7.0]]
    assert fallback_of(first, site, cuts[1], features).tolist() == [[6.0]]
    assert fallback_of(torch.ones(2, 3), site, cuts[2], features) is None


@pytest.mark.parametrize("case", tiny_cases(), ids=lambda case: case.name)
def test_a_unit_left_out_is_zero_and_comes_back_to_the_bit(case) -> None:
    tensors = {**dict(case.model.named_parameters()), **dict(case.model.named_buffers())}
    for site in case.survey.sites:
        unit = min(2, site.size - 1)
        before = {name: tensor.detach().clone() for name, tensor in tensors.items()}
        with left_out(tensors, site, unit, case.survey.features):
            for cut in site.cuts:
                if not tensors[cut.tensor].is_floating_point():
                    continue
                here = entries_of(tensors[cut.tensor].detach(), cut, site.size)[unit]
                answer = fallback_of(before[cut.tensor], site, cut, case.survey.features)
                assert torch.equal(here, torch.zeros_like(here) if answer is None else answer[0])
        assert all(torch.equal(tensor, before[name]) for name, tensor in tensors.items())


def test_a_unit_comes_back_when_the_measurement_breaks() -> None:
    case = tiny_factors()
    tensors = dict(case.model.named_parameters())
    before = tensors["user.weight"].detach().clone()
    with pytest.raises(ZeroDivisionError), left_out(tensors, case.survey.site("user.id"), 0, frozenset()):
        raise ZeroDivisionError
    assert torch.equal(tensors["user.weight"], before)


def test_a_tied_tensor_comes_back_though_it_is_cut_twice() -> None:
    table = nn.Parameter(torch.randn(4, 3))
    before = table.detach().clone()
    site = Site("tied.id", Kind.ID, 4, (Cut("a", 0), Cut("b", 0)))
    with left_out({"a": table, "b": table}, site, 1, frozenset()):
        assert table[1].abs().sum() == 0
    assert torch.equal(table, before)


def test_integers_keep_their_values_when_a_field_is_left_out() -> None:
    offsets, table = torch.tensor([0, 3]), torch.ones(6, 2)
    site = Site("b.field", Kind.FIELD, 1, (Cut("table", 0, 3, 3), Cut("offsets", 0, 1)), column="b")
    with left_out({"offsets": offsets, "table": table}, site, 0, frozenset()):
        assert offsets.tolist() == [0, 3]
        assert table.sum(1).tolist() == [2, 2, 2, 0, 0, 0]


def test_a_tensor_stored_column_first_can_be_left_out_by_entries() -> None:
    weight = torch.randn(3, 4).T
    before = weight.clone()
    site = Site("w.entry", Kind.ENTRY, 12, (Cut("w", FLAT),))
    with left_out({"w": weight}, site, 5, frozenset()):
        changed = (weight != before).flatten().nonzero().flatten().tolist()
    assert changed == [5]
    assert torch.equal(weight, before)


def test_one_row_answers_for_every_row_of_a_field() -> None:
    cuts = (Cut("table", 0, 1, 3), Cut("first", 0, 5, 3))
    site = Site("city.field", Kind.FIELD, 1, cuts, column="city", fallback=0)
    table, first = torch.arange(8.0).reshape(4, 2), torch.arange(9.0).reshape(9, 1)
    features = frozenset({"table", "first"})
    assert fallback_of(table, site, cuts[0], features).tolist() == [[0.0, 1.0] * 3]
    assert fallback_of(first, site, cuts[1], features).tolist() == [[4.0] * 3]
