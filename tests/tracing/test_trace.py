"""survey: which units it finds, and what it leaves whole with a word."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recprune.errors import SurveyError
from recprune.models.ease import Ease
from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.surgery import apply, masked
from recprune.tracing.build import fingerprint
from recprune.tracing.site import FLAT, Cut, Kind, Site
from recprune.tracing.trace import survey


class Towers(nn.Module):
    """A table a field, two towers side by side, a residual: nothing in it knows of pruning."""

    def __init__(self) -> None:
        super().__init__()
        self.city, self.hour = nn.Embedding(9, 4), nn.Embedding(7, 3)
        self.left = nn.Sequential(nn.Linear(7, 6), nn.ReLU())
        self.right = nn.Sequential(nn.Linear(7, 5), nn.Tanh())
        self.again = nn.Linear(11, 11)
        self.out = nn.Linear(11, 1)

    def forward(self, city: Tensor, hour: Tensor) -> Tensor:
        x = torch.cat([self.city(city), self.hour(hour)], 1)
        both = torch.cat([self.left(x), self.right(x)], 1)
        return self.out(both + torch.relu(self.again(both))).squeeze(1)


class Factors(nn.Module):
    """Tied by expression: the item table is looked up and multiplied."""

    columns = ("user", "item")

    def __init__(self) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(5, 4), nn.Embedding(6, 4)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        return (self.user(user) * self.item(item)).sum(-1)


def ids(rows: int, *sizes: int) -> tuple[Tensor, ...]:
    return tuple(torch.randint(size, (rows,)) for size in sizes)


def sites_of(model: nn.Module, example: tuple[Tensor, ...]):
    return {site.name: site for site in survey(model, example).sites}


def test_a_hidden_neuron_takes_its_row_its_bias_and_the_next_column():
    model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
    site = sites_of(model, (torch.rand(2, 3),))["0.neuron"]
    assert (site.kind, site.size) == (Kind.NEURON, 8)
    assert set(site.cuts) == {Cut("0.weight", 0), Cut("0.bias", 0), Cut("2.weight", 1)}


def test_factors_coupled_by_a_product_are_one_site_and_ids_are_sites_of_their_columns():
    sites = sites_of(Factors(), ids(3, 5, 6))
    assert set(sites["user+item.dim"].cuts) == {Cut("user.weight", 1), Cut("item.weight", 1)}
    assert sites["item.id"] == type(sites["item.id"])("item.id", Kind.ID, 5, (Cut("item.weight", 0, 1),), "item", 0)


def test_concatenated_towers_each_keep_their_own_units():
    sites = sites_of(Towers(), ids(3, 9, 7))
    assert Cut("again.weight", 1, 6) in sites["right.0.neuron"].cuts
    assert Cut("again.weight", 0, 6) in sites["right.0.neuron"].cuts
    assert Cut("left.0.weight", 1, 4) in sites["hour.dim"].cuts
    assert sites["left.0.neuron"].size == 6


def test_what_the_model_gives_back_stays_whole_with_a_reason():
    found = survey(nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 2)), (torch.rand(2, 3),))
    assert "gives back" in found.whole["2.weight:0"]
    assert found.site("0.neuron").size == 4


def test_a_sum_over_units_that_are_not_zero_when_they_leave_is_over_those_that_stay():
    class Summed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 4)

        def forward(self, x: Tensor) -> Tensor:
            return torch.sigmoid(self.layer(x)).sum(1)

    model, x = Summed(), torch.rand(2, 3)
    found = survey(model, (x,))
    assert found.site("layer.neuron").averaged == (Cut("@aten.sum.dim_IntList#1", 1),)
    plan = Plan(found, {"layer.neuron": np.array([0, 2])}, Budget(0.1))
    wanted = torch.sigmoid(model.layer(x))[:, [0, 2]].sum(1)
    torch.testing.assert_close(masked(model, plan)(x), wanted)
    torch.testing.assert_close(apply(model, plan, (x,))(x), wanted)


def test_an_operation_that_nobody_knows_freezes_its_axes_and_is_named():
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(3, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.b(torch.special.bessel_j0(self.a(x)))

    found = survey(Odd(), (torch.rand(2, 3),))
    assert not found.sites
    assert "aten.special_bessel_j0.default is not known" in found.whole["a.weight:0"]


def test_layer_norm_averages_over_the_units_that_stay_and_the_site_says_so():
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    site = survey(model, (torch.rand(2, 3),)).site("0.neuron")
    assert Cut("1.weight", 0) in site.cuts
    assert [(cut.tensor[0], cut.dim) for cut in site.averaged] == [("@", 1)]


def test_scores_of_an_item_item_matrix_may_be_scaled_item_by_item():
    (site,) = survey(Ease(6, item_power=0.2), (torch.rand(3, 6),)).sites
    assert (site.kind, site.size, site.cuts) == (Kind.ENTRY, 36, (Cut("items.weight", FLAT),))


def test_a_square_linear_between_input_and_output_is_an_item_item_matrix():
    model = nn.Linear(6, 6, bias=False)
    (site,) = survey(model, (torch.rand(2, 6),), columns=["history"]).sites
    assert (site.kind, site.size, site.cuts) == (Kind.ENTRY, 36, (Cut("weight", FLAT),))


def test_a_merged_table_gives_fields_that_take_their_rows_and_their_offset():
    class Merged(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(12, 3)
            self.register_buffer("offsets", torch.tensor([0, 5]))
            self.out = nn.Linear(6, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.out(self.table(x + self.offsets).flatten(1))

    found = survey(Merged(), (torch.randint(5, (3, 2)),), columns=["x"])
    field = found.site("x.1.field")
    assert set(field.cuts) == {Cut("table.weight", 0, 5, 7), Cut("offsets", 0, 1), Cut("out.weight", 1, 3, 3)}
    assert found.site("x.1.id") == type(field)("x.1.id", Kind.ID, 6, (Cut("table.weight", 0, 6),), "x.1", 5)
    assert found.pointers == {"offsets": "table.weight"}


def test_python_control_flow_is_followed_and_the_model_is_left_as_it_was():
    class Branch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.drop = nn.Linear(3, 4), nn.Linear(4, 1), nn.Dropout(0.5)

        def forward(self, x: Tensor) -> Tensor:
            hidden = self.drop(self.a(x))
            if hidden.sum() > 1e9:
                return self.b(hidden * 0)
            return self.b(torch.relu(hidden))

    model = Branch().train()
    before = fingerprint(model)
    assert survey(model, (torch.rand(2, 3),)).site("a.neuron").size == 4
    assert model.training
    assert fingerprint(model) == before


def test_an_example_that_does_not_run_is_one_clear_error():
    with pytest.raises(SurveyError, match="does not run on the example of shapes"):
        survey(nn.Linear(3, 2), (torch.rand(2, 4),))


def test_a_parameter_that_is_used_twice_is_cut_once():
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.out = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False), nn.Linear(4, 1)
            self.b.weight = self.a.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.out(torch.relu(self.b(torch.relu(self.a(x)))))

    found = survey(Tied(), (torch.rand(2, 4),))
    assert list(found.shapes) == ["a.weight", "out.weight", "out.bias"]
    assert not [s for s in found.sites if any(c.tensor == "b.weight" for c in s.cuts)]


def test_a_module_inside_another_offers_sites_in_names_of_its_own():
    class Odd(nn.Module):
        """Rows picked by a sort, which nobody follows; it knows that its rows can leave."""

        def __init__(self) -> None:
            super().__init__()
            self.rows = nn.Parameter(torch.rand(5, 3))

        def prunable(self) -> list[Site]:
            return [Site("row", Kind.NEURON, 5, (Cut("rows", 0),))]

        def forward(self, x: Tensor) -> Tensor:
            return x + torch.sort(self.rows, 1).values.sum(0)

    model, x = nn.Sequential(nn.Identity(), Odd()), torch.rand(2, 3)
    found = survey(model, (x,))
    assert found.site("1.row").cuts == (Cut("1.rows", 0),)
    assert "1.rows:0" not in found.whole
    small = apply(model, Plan(found, {"1.row": np.array([1, 4])}, Budget(0.1)), (x,))
    assert torch.equal(small[1].rows, model[1].rows[[1, 4]])


def test_heads_that_cannot_leave_are_named_with_the_reason():
    class First(nn.Module):
        """The scores of the first head are shown, so that it has a place."""

        def __init__(self) -> None:
            super().__init__()
            self.q, self.k, self.out = nn.Linear(4, 8), nn.Linear(4, 8), nn.Linear(5, 1)

        def forward(self, x: Tensor) -> Tensor:
            q, k = (f(x).view(*x.shape[:2], 4, -1).transpose(1, 2) for f in (self.q, self.k))
            return self.out((q @ k.transpose(2, 3))[:, 0])

    found = survey(First(), (torch.rand(3, 5, 4),))
    assert [site.name for site in found.sites] == ["forward.inside.neuron"]
    assert "picked by their position" in found.whole["forward.head"]


class Begins(nn.Module):
    """A state of zeros, as wide as a number says."""

    def __init__(self, *, held: bool) -> None:
        super().__init__()
        self.width, self.held = 6, held
        self.a, self.out = nn.Linear(3, 6), nn.Linear(6, 1)

    def forward(self, x: Tensor) -> Tensor:
        state = torch.zeros(len(x), self.width if self.held else 6)
        return self.out(torch.tanh(self.a(x) + state) + torch.ones(1, self.a.weight.shape[0]))


def test_zeros_take_on_the_width_of_what_they_meet_where_it_can_be_set():
    (site,) = survey(Begins(held=True), (torch.rand(2, 3),)).sites
    assert (site.name, site.attributes) == ("a.neuron", ("width",))


def test_zeros_of_a_width_written_into_forward_keep_it():
    found = survey(Begins(held=False), (torch.rand(2, 3),))
    assert not found.sites
    assert "written into forward" in found.whole["a.neuron"]


def test_a_compiled_module_is_followed_as_it_was_written():
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(3, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.b(torch.sigmoid(self.a(x)) * self.a(x))

    model, example = Gated(), (torch.rand(2, 3),)
    wanted = survey(model, example)
    model.compile(backend="eager")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert survey(model, example) == wanted


def test_a_first_survey_does_not_load_the_compiler():
    code = (
        "import sys, torch; from recprune.tracing.trace import survey; "
        "found = survey(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1)), (torch.rand(2, 2),)); "
        "assert found.sites; assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_widths_that_forward_takes_for_one_though_nothing_joins_them_leave_as_one():
    class Expanded(nn.Module):
        """A mask of the width of a's units is laid over b's."""

        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.out = nn.Linear(3, 6), nn.Linear(3, 6), nn.Linear(12, 1)

        def forward(self, x: Tensor) -> Tensor:
            a, b = torch.relu(self.a(x)), torch.relu(self.b(x))
            mask = (x[:, :1] > 0).expand_as(a)
            return self.out(torch.cat([a, b * mask], 1))

    torch.manual_seed(0)
    model, example = Expanded().eval(), (torch.randn(4, 3),)
    (site,) = survey(model, example).sites
    assert {cut.tensor for cut in site.cuts} == {"a.weight", "a.bias", "b.weight", "b.bias", "out.weight"}
    small = apply(model, Plan(survey(model, example), {site.name: np.array([1, 4])}, Budget(0.0)), example)
    assert small.out.in_features == 4
