"""Ids that are read and found in one table leave both: they are read as unknown, and nobody is recommended them."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.planning.plan import Plan
from recprune.surgery import apply, masked, renumber, shrink_inputs, shrink_outputs
from recprune.tracing.inputs import call
from recprune.tracing.site import Cut, Kind, Site, Survey
from recprune.tracing.trace import survey

ITEMS, LENGTH, DIM = 13, 5, 6
EXAMPLE = (torch.tensor([[0, 3, 1, 12, 4], [7, 2, 2, 9, 11], [0, 0, 0, 5, 6]]),)


class Reads(nn.Module):
    """Items are read one after another; how they are found is a subclass's own."""

    def __init__(self) -> None:
        super().__init__()
        self.item = nn.Embedding(ITEMS, DIM)
        self.gru = nn.GRU(DIM, DIM, batch_first=True)

    def states(self, sequence: Tensor) -> Tensor:
        return self.gru(self.item(sequence))[0]


class ByExpression(Reads):
    def forward(self, sequence: Tensor) -> Tensor:
        return self.states(sequence)[:, -1] @ self.item.weight.T


class ByFunction(Reads):
    def forward(self, sequence: Tensor) -> Tensor:
        return F.linear(self.states(sequence), self.item.weight)


class BySharedParameter(Reads):
    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(DIM, ITEMS)
        self.out.weight = self.item.weight

    def forward(self, sequence: Tensor) -> dict[str, Tensor]:
        return {"scores": self.out(self.states(sequence)[:, -1]), "known": (sequence > 0).sum(1)}


class WithBiases(Reads):
    """A bias of every item is looked up as well as added."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Embedding(ITEMS, 1)

    def forward(self, sequence: Tensor) -> Tensor:
        state = self.states(sequence)[:, -1] + self.bias(sequence).sum(1)
        return torch.matmul(state, self.item.weight.transpose(0, 1)) + self.bias.weight.squeeze(1)


class Probabilities(Reads):
    def forward(self, sequence: Tensor) -> Tensor:
        return torch.log_softmax(self.states(sequence)[:, -1] @ self.item.weight.T, 1)


class Centred(Reads):
    def forward(self, sequence: Tensor) -> Tensor:
        return (self.states(sequence)[:, -1] - self.item.weight.mean(0)) @ self.item.weight.T


class Cosine(Reads):
    def forward(self, sequence: Tensor) -> tuple[Tensor, Tensor]:
        scores = F.normalize(self.states(sequence), dim=-1) @ F.normalize(self.item.weight, dim=-1).T
        return scores[:, -1], scores


class Named(Reads):
    """Padding is hidden by its code, and the argument is a keyword."""

    def forward(self, *, items: Tensor) -> Tensor:
        seen = (items != 0).unsqueeze(-1)
        return (self.states(items) * seen).sum(1) @ self.item.weight.t()


MODELS = [ByExpression, ByFunction, BySharedParameter, WithBiases, Probabilities, Centred, Cosine, Named]


def made(kind: type[nn.Module]) -> tuple[nn.Module, object]:
    torch.manual_seed(0)
    return kind().eval(), {"items": EXAMPLE[0]} if kind is Named else EXAMPLE


def ids(found: Survey) -> Site:
    (site,) = (s for s in found.sites if s.kind is Kind.ID)
    return site


def other(example: object) -> object:
    drawn = torch.randint(ITEMS, (9, LENGTH), generator=torch.Generator().manual_seed(1))
    return {"items": drawn} if isinstance(example, dict) else (drawn,)


def tensors(output: object) -> list[Tensor]:
    parts = output.values() if isinstance(output, dict) else output if isinstance(output, tuple) else [output]
    return list(parts)


@pytest.mark.parametrize("kind", MODELS)
def test_rows_leave_the_look_up_and_the_answers_and_the_smaller_model_equals_the_masked_one(kind: type[nn.Module]):
    model, example = made(kind)
    found = survey(model, example)
    plan = Plan(found, {ids(found).name: np.array([0, 3, 4, 7, 10])}, Budget(0.1))
    small, reference = apply(model, plan, example).eval(), masked(model, plan).eval()
    inputs = other(example)
    with torch.no_grad():
        whole, got = call(reference, inputs), call(small, shrink_inputs(plan, inputs))
    for one, wanted in zip(tensors(got), tensors(shrink_outputs(plan, whole)), strict=True):
        torch.testing.assert_close(one, wanted)
    scores, left = tensors(whole)[0], [1, 4, 5, 8, 11]
    gone = [code for code in range(1, ITEMS) if code not in left]
    assert tensors(got)[0].shape[-1] == 6
    assert bool((scores[..., gone] == -torch.inf).all())
    assert bool(scores[..., [0, *left]].isfinite().all())


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("seed", range(3))
def test_rows_and_dims_leave_together(kind: type[nn.Module], seed: int):
    model, example = made(kind)
    found = survey(model, example)
    generator = torch.Generator().manual_seed(seed)
    scores = {s.name: torch.rand(s.size, generator=generator) for s in found.sites}
    plan = choose(found, scores, Budget((0.2, 0.35, 0.5)[seed]))
    again = Plan.from_json(plan.to_json())
    small, reference = apply(model, again, example).eval(), masked(model, plan).eval()
    assert sum(p.numel() for p in small.parameters()) == plan.account().parameters_after
    inputs = other(example)
    with torch.no_grad():
        got, wanted = call(small, shrink_inputs(plan, inputs)), shrink_outputs(plan, call(reference, inputs))
    for one, two in zip(tensors(got), tensors(wanted), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("encoding", ["int8_rows", "int4_rows", "int2_rotated_rows", "product_rows(m=4)"])
@pytest.mark.parametrize("kind", [ByExpression, ByFunction, BySharedParameter, Cosine])
def test_what_stays_of_the_table_is_stored_as_codes_for_both_uses(kind: type[nn.Module], encoding: str, monkeypatch):
    monkeypatch.setitem(globals(), "ITEMS", 1001)
    monkeypatch.setitem(globals(), "DIM", 16)
    model, example = made(kind)
    found = survey(model, example)
    kept = {ids(found).name: np.arange(0, 1000, 2)}
    plan = Plan(found, kept, Budget(0.1), encodings={"item.weight": encoding})
    small, plain = apply(model, plan, example), apply(model, Plan(found, kept, Budget(0.1)), example).eval()
    assert not [name for name, _ in small.named_parameters() if name.startswith("item")]
    assert not torch.equal(plain.item.weight, small.item.weight)
    plain.item.weight.data.copy_(small.item.weight)
    inputs = shrink_inputs(plan, (torch.randint(1001, (9, LENGTH)),))
    with torch.no_grad():
        got, wanted = tensors(small(*inputs))[0], tensors(plain(*inputs))[0]
    assert got.shape[-1] == 501
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)


def test_a_bias_and_an_average_over_the_rows_go_along():
    site = ids(survey(made(WithBiases)[0], EXAMPLE))
    assert {cut.tensor for cut in site.cuts} == {"item.weight", "bias.weight"}
    assert ids(survey(made(BySharedParameter)[0], EXAMPLE)).cuts == (Cut("item.weight", 0, 1), Cut("out.bias", 0, 1))
    averaged = ids(survey(made(Probabilities)[0], EXAMPLE)).averaged
    assert [(cut.tensor.partition("#")[0], cut.dim, cut.start) for cut in averaged] == [
        ("@aten._log_softmax.default", 1, 1)
    ]


def test_the_site_says_on_which_axes_of_the_output_its_units_stand():
    assert ids(survey(made(Cosine)[0], EXAMPLE)).answers == (Cut("@output#0", 1, 1), Cut("@output#1", 2, 1))
    assert ids(survey(made(BySharedParameter)[0], EXAMPLE)).answers == (Cut("@output#0", 1, 1),)


def test_codes_of_answers_are_those_of_items_too():
    model, example = made(ByExpression)
    found = survey(model, example, ["sequence"])
    codes = renumber(Plan(found, {"sequence.id": np.array([1, 5])}, Budget(0.1)))
    assert codes["item"].tolist() == codes["sequence"].tolist() == [0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0]


class Untied(Reads):
    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(DIM, ITEMS)

    def forward(self, sequence: Tensor) -> Tensor:
        return self.out(self.states(sequence)[:, -1])


def test_rows_that_are_only_read_leave_no_answer():
    found = survey(made(Untied)[0], EXAMPLE)
    assert ids(found).answers == ()
    assert found.whole["out.weight:0"] == "it is what the model gives back"


class WrittenAt(Reads):
    def forward(self, sequence: Tensor) -> Tensor:
        scores = self.states(sequence)[:, -1] @ self.item.weight.T
        scores[:, 0] = -1e9
        return scores


class Counted(Reads):
    def forward(self, sequence: Tensor) -> Tensor:
        return (self.states(sequence)[:, -1] @ self.item.weight.T).view(-1, 13)


class Inside(Reads):
    def forward(self, sequence: Tensor) -> Tensor:
        return torch.softmax(self.states(sequence)[:, -1] @ self.item.weight.T, 1) @ self.item.weight


class OfTwo(Reads):
    """Rows of two tables that two columns are looked up in meet."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = nn.Embedding(ITEMS, DIM)

    def forward(self, sequence: Tensor, last: Tensor) -> Tensor:
        return (self.states(sequence)[:, -1] + self.seen(last)) @ (self.item.weight + self.seen.weight).T


@pytest.mark.parametrize(
    ("kind", "key", "reason"),
    [
        (WrittenAt, "item.weight:0", "units are picked by their position"),
        (Counted, "input0.id", "a width of it is written into forward as a number"),
        (Inside, "item.weight:0", "no answers"),
        (OfTwo, "item.weight:0", "its rows meet those of others"),
    ],
)
def test_rows_that_cannot_leave_the_answers_stay_and_it_is_said_why(kind: type[nn.Module], key: str, reason: str):
    model, _ = made(kind)
    example = (*EXAMPLE, torch.tensor([4, 2, 9])) if kind is OfTwo else EXAMPLE
    found = survey(model, example)
    assert not [s for s in found.sites if s.kind is Kind.ID]
    assert reason in found.whole[key]
    half = {s.name: np.arange(0, s.size, 2) for s in found.sites if s.size > 1}
    assert apply(model, Plan(found, half, Budget(0.1)), example).item.weight.shape[0] == ITEMS


class Mapped(Reads):
    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return self.item(batch["past"]).sum(1) @ self.item.weight.T


def test_a_column_whose_rows_are_the_answers_has_to_come():
    found = survey(made(Mapped)[0], ({"past": EXAMPLE[0]},))
    assert found.whole["past.field"] == "its rows are answers too"
    assert ids(found).column == "past"
