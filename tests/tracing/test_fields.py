"""Columns of a mapping leave as whole fields; forward that asks for them is given zeros."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recprune.artifact import load, save
from recprune.importance.probe import Probe
from recprune.importance.rules.field_mean import FieldMean
from recprune.importance.rules.taylor import Taylor
from recprune.importance.score import score
from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.surgery import apply, masked, shrink_inputs
from recprune.tracing.site import Cut, Kind, Survey
from recprune.tracing.trace import survey

SIZES = {"user": 9, "city": 7, "hour": 5, "past": 12}
EMPTY = np.empty(0, dtype=np.int64)


class Beside(nn.Module):
    """Tables side by side into a layer; past and its times have one length; the price is a number."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleDict({name: nn.Embedding(n, 4) for name, n in SIZES.items()})
        self.out = nn.Linear(17, 1)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        parts = [table(batch[name]) for name, table in self.tables.items()]
        parts = [x.mean(1) if x.dim() == 3 else x for x in parts]
        return self.out(torch.cat([*parts, batch["price"].unsqueeze(1)], 1)).squeeze(1)


class Coupled(nn.Module):
    """The second-order term couples the dims of all fields; two columns share a table; arguments by name."""

    def __init__(self) -> None:
        super().__init__()
        self.user, self.city, self.item = nn.Embedding(9, 4), nn.Embedding(7, 4), nn.Embedding(12, 4)

    def forward(self, user: Tensor, city: Tensor, item: Tensor, last: Tensor) -> Tensor:
        e = torch.stack([self.user(user), self.city(city), self.item(item), self.item(last)], 1)
        return (e.sum(1).square() - e.square().sum(1)).sum(1)


def batch(rows: int, length: int = 4) -> dict[str, Tensor]:
    ids = {name: torch.randint(SIZES[name], (rows,)) for name in ("user", "city", "hour")}
    return {**ids, "past": torch.randint(12, (rows, length)), "price": torch.rand(rows)}


def coupled(rows: int) -> dict[str, Tensor]:
    return {name: torch.randint(n, (rows,)) for name, n in (("user", 9), ("city", 7), ("item", 12), ("last", 12))}


def without(found: Survey, *columns: str) -> Plan:
    return Plan(found, {f"{column}.field": EMPTY for column in columns}, Budget(0.0))


def test_a_field_takes_its_table_its_columns_of_the_next_layer_and_its_key():
    model = Beside().eval()
    found = survey(model, (batch(3),))
    site = found.site("city.field")
    assert (site.kind, site.size, site.column) == (Kind.FIELD, 1, "city")
    assert set(site.cuts) == {Cut("tables.city.weight", 1, 0, 4), Cut("out.weight", 1, 4, 4)}
    assert found.whole["price.field"] == "no table is looked up by it"
    assert survey(model, ({**batch(3), "label": torch.rand(3)},)).whole == found.whole  # which forward does not read
    plan = Plan.from_json(without(found, "city", "past").to_json())
    small = apply(model, plan, (batch(3),)).eval()
    assert plan.account().parameters_after == sum(p.numel() for p in small.parameters()) == (9 + 5) * 4 + 9 + 1
    for rows in (1, 2, 17, 300):
        whole = batch(rows)
        (fewer,) = shrink_inputs(plan, (whole,))
        assert list(fewer) == ["user", "hour", "price"]
        with torch.no_grad():
            wanted = masked(model, plan)(whole)
            torch.testing.assert_close(small(fewer), wanted)
            torch.testing.assert_close(small(whole), wanted)  # a column that still comes is not looked at
            torch.testing.assert_close(small(dict(reversed(fewer.items()))), wanted)


def test_every_set_of_fields_that_leaves_something_leaves_exactly():
    model, fields = Beside().eval(), ("user", "city", "hour", "past")
    found, inputs = survey(model, (batch(3),)), batch(17)
    for count in range(1, 5):
        for columns in itertools.combinations(fields, count):
            plan = without(found, *columns)
            small = apply(model, plan, (batch(3),)).eval()
            with torch.no_grad():
                torch.testing.assert_close(small(*shrink_inputs(plan, (inputs,))), masked(model, plan)(inputs))


def test_zeros_take_the_length_of_what_stands_beside():
    class Sequences(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.item, self.time, self.out = nn.Embedding(12, 4), nn.Embedding(6, 3), nn.Linear(7, 1)

        def forward(self, batch: dict[str, Tensor]) -> Tensor:
            return self.out(torch.cat([self.time(batch["times"]), self.item(batch["items"])], 2)).sum(1)

    def drawn(rows: int, length: int) -> dict[str, Tensor]:
        return {"items": torch.randint(12, (rows, length)), "times": torch.randint(6, (rows, length))}

    model, example = Sequences().eval(), (drawn(3, 5),)
    plan = without(survey(model, example), "times")
    small, inputs = apply(model, plan, example).eval(), drawn(4, 9)
    with torch.no_grad():
        torch.testing.assert_close(small({"items": inputs["items"]}), masked(model, plan)(inputs))


def test_a_field_whose_dims_are_those_of_others_leaves_row_by_row():
    model, example = Coupled().eval(), coupled(3)
    found = survey(model, example)
    assert found.site("city.field").cuts == (Cut("city.weight", 0, 1, 6),)
    assert found.whole["item.field"] == "its rows are also looked up by last"
    plan = without(found, "city")
    counts = {"city": np.arange(7)}
    small = apply(model, plan, example, counts=counts).eval()
    torch.testing.assert_close(small.city.weight, (torch.arange(1.0, 7.0) @ model.city.weight[1:] / 21).unsqueeze(0))
    inputs = coupled(17)
    assert list(shrink_inputs(plan, inputs)) == ["user", "item", "last"]
    with torch.no_grad():
        got = small(**shrink_inputs(plan, inputs))
        torch.testing.assert_close(got, masked(model, plan, counts=counts)(**inputs))


def test_columns_looked_up_in_one_offset_table_leave_row_by_row():
    class Merged(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.out = nn.Embedding(16, 3), nn.Linear(6, 1)
            self.register_buffer("offsets", torch.tensor([0, 9]))

        def forward(self, user: Tensor, city: Tensor) -> Tensor:
            return self.out(self.table(torch.stack([user, city], 1) + self.offsets).flatten(1))

    model, example = Merged().eval(), {"user": torch.randint(9, (3,)), "city": torch.randint(7, (3,))}
    plan = without(survey(model, example), "user")
    small = apply(model, plan, example).eval()
    assert (small.offsets.tolist(), small.table.weight.shape) == ([0, 1], (8, 3))
    inputs = {"user": torch.randint(9, (9,)), "city": torch.randint(7, (9,))}
    with torch.no_grad():
        torch.testing.assert_close(small(city=inputs["city"]), masked(model, plan)(**inputs))


def test_a_column_that_something_else_hangs_on_holds_zeros_everywhere():
    class Gated(Beside):
        def forward(self, batch: dict[str, Tensor]) -> Tensor:
            return super().forward(batch) * (1 + batch["city"] % 2) / batch["user"]

    model, example = Gated().eval(), {**batch(3), "user": torch.arange(1, 4)}
    found = survey(model, (example,))
    plan, inputs = without(found, "city"), batch(17)
    small = apply(model, plan, (example,)).eval()
    with torch.no_grad():
        wanted = masked(model, plan)(inputs)
        torch.testing.assert_close(small(*shrink_inputs(plan, (inputs,))), wanted)
        torch.testing.assert_close(wanted, masked(model, plan)({**inputs, "city": torch.zeros(17, dtype=torch.long)}))


def test_a_field_that_forward_cannot_do_without_stays_with_the_reason():
    class Asks(Beside):
        def forward(self, batch: dict[str, Tensor]) -> Tensor:
            if bool((batch["city"] == 0).all()):
                raise ValueError("a city is asked for")
            return super().forward(batch)

    found = survey(Asks().eval(), ({**batch(3), "city": torch.tensor([1, 2, 6])},))
    assert found.whole["city.field"] == "forward cannot do without it"
    assert {s.name for s in found.sites if s.kind is Kind.FIELD} == {"user.field", "hour.field", "past.field"}


def test_what_lost_fields_loses_more_of_them():
    model, example = Beside().eval(), batch(3)
    first = without(survey(model, (example,)), "city")
    once, (fewer,) = apply(model, first, (example,)).eval(), shrink_inputs(first, (example,))
    second = without(survey(once, (fewer,)), "hour")
    twice = apply(once, second, (fewer,)).eval()
    at_once = masked(model, without(first.survey, "city", "hour"))
    inputs = batch(17)
    with torch.no_grad():
        torch.testing.assert_close(twice({k: inputs[k] for k in ("user", "past", "price")}), at_once(inputs))


@pytest.mark.parametrize("columns", [("city",), ("user", "hour", "past")])
def test_an_artifact_without_fields_comes_back_and_needs_no_keys(columns: tuple[str, ...], tmp_path: Path):
    model, example = Beside().eval(), (batch(3),)
    plan = without(survey(model, example), *columns)
    small = apply(model, plan, example).eval()
    save(tmp_path / "small", small, plan=plan)
    again = load(tmp_path / "small", Beside()).model
    inputs = shrink_inputs(plan, (batch(17),))
    assert torch.equal(again(*inputs), small(*inputs))


@pytest.mark.parametrize("made", [(Coupled, coupled), (Beside, batch)])
@pytest.mark.parametrize("rule", [Taylor(), FieldMean(), FieldMean(first_order=True)])
def test_rules_say_what_a_field_of_a_mapping_is_worth(rule, made):
    kind, drawn = made
    torch.manual_seed(0)
    model = kind().eval()
    inputs = [(drawn(8),) if kind is Beside else drawn(8) for _ in range(2)]
    found = survey(model, inputs[0])
    found = Survey(
        tuple(s for s in found.sites if s.kind is Kind.FIELD),
        *(found.shapes, found.bytes_per_entry, found.whole, found.fingerprint, found.features, found.buffers),
        columns=found.columns,
    )
    batches = [(tuple(x.values()) if isinstance(x, dict) else x, torch.randn(8)) for x in inputs]
    scores = score(found, rule, Probe(model, found, batches=batches, loss=nn.functional.mse_loss))
    assert all(bool(torch.isfinite(scores[s.name]).all()) and len(scores[s.name]) == 1 for s in found.sites)
    assert any(float(x) != 0 for x in scores.values())
