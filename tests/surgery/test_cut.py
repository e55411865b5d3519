"""apply: smaller, equal to the masked model, and the old one untouched."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from recprune.artifact.reshape import reshape_
from recprune.encodings.faces import Packed
from recprune.errors import BudgetError, PlanError, SurgeryError
from recprune.evaluation.size import size_of
from recprune.models.caser import Caser
from recprune.models.deepfm import DeepFM
from recprune.models.ease import Ease
from recprune.models.mf import MF
from recprune.packing import packable
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.planning.plan import Plan
from recprune.surgery import apply, masked, pack_planned, renumber, shrink_inputs
from recprune.tracing.build import named_tensors
from recprune.tracing.site import Kind, Survey
from recprune.tracing.trace import survey


class PerField(nn.Module):
    """A table a field and a width-1 term beside each, as many people write it."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(n, 4) for n in (9, 7))
        self.terms = nn.ModuleList(nn.Embedding(n, 1) for n in (9, 7))
        self.tower = nn.Sequential(nn.Linear(8, 10), nn.BatchNorm1d(10), nn.PReLU(10), nn.Linear(10, 1))

    def forward(self, city: Tensor, hour: Tensor) -> Tensor:
        stacked = torch.stack([t(x) for t, x in zip(self.tables, (city, hour), strict=True)], 1)
        first = torch.cat([t(x) for t, x in zip(self.terms, (city, hour), strict=True)], 1).sum(1)
        pairs = (stacked.sum(1) ** 2 - (stacked**2).sum(1)).sum(1)
        return first + pairs + self.tower(stacked.flatten(1)).squeeze(1)


class Image(nn.Module):
    """Convolutions over a sequence, channel after channel."""

    def __init__(self) -> None:
        super().__init__()
        self.item = nn.Embedding(20, 6, padding_idx=0)
        self.first, self.second = nn.Conv1d(6, 8, 3, padding=1), nn.Conv1d(8, 5, 3)
        self.out = nn.Linear(5 * 4, 3)

    def forward(self, sequence: Tensor) -> Tensor:
        x = self.item(sequence).transpose(1, 2)
        return self.out(torch.relu(self.second(torch.relu(self.first(x)))).flatten(1))


def deepfm() -> tuple[nn.Module, tuple[Tensor, ...]]:
    model = DeepFM(["user", "item", "hour"], [11, 13, 5], dim=4, hidden=(8, 6))
    return model, tuple(torch.randint(5, (3,)) for _ in range(3))


MAKERS = {
    "deepfm": deepfm,
    "caser": lambda: (Caser(20, 5, 6, 4, (1, 2, 5), 3), (torch.randint(20, (3, 5)),)),
    "mf": lambda: (MF(9, 12, 6), (torch.arange(3),)),
    "ease": lambda: (Ease(14), ((torch.rand(3, 14) > 0.5).float(),)),
    "per_field": lambda: (PerField(), (torch.randint(7, (3,)), torch.randint(7, (3,)))),
    "image": lambda: (Image(), (torch.randint(20, (3, 6)),)),
}


def randomised(model: nn.Module) -> nn.Module:
    for tensor in named_tensors(model).values():
        if tensor.is_floating_point():
            tensor.data.copy_(torch.rand_like(tensor) + 0.1)
    return model


def random_plan(found: Survey, factor: float, seed: int) -> Plan:
    generator = torch.Generator().manual_seed(seed)
    return choose(found, {s.name: torch.rand(s.size, generator=generator) for s in found.sites}, Budget(factor))


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=12, deadline=None)
@given(factor=st.floats(0.0, 0.8), seed=st.integers(0, 2**20))
def test_a_smaller_model_equals_the_masked_one_and_the_account(name: str, factor: float, seed: int):
    torch.manual_seed(seed)
    model, example = MAKERS[name]()
    randomised(model)
    before = copy.deepcopy(model.state_dict())
    plan = random_plan(survey(model, example), factor, seed)
    small = apply(model, plan, example)
    account = plan.account()
    assert account.share_removed >= factor - 1e-9
    assert sum(p.numel() for p in small.parameters()) == account.parameters_after
    stored = sum(t.numel() * t.element_size() for t in named_tensors(small).values())
    assert stored == account.bytes_after
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    columns = getattr(model, "columns", None) or [f"input{i}" for i in range(len(example))]
    for rows in (1, 2, 17, 300):
        inputs = tuple(x[torch.arange(rows) % len(x)] for x in example)
        with torch.no_grad():
            wanted = masked(model, plan).eval()(*inputs)
            got = small.eval()(*shrink_inputs(plan, inputs, columns))
        torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5 * max(1.0, float(wanted.abs().max())))


@pytest.mark.parametrize("name", MAKERS)
def test_keeping_everything_is_bit_identical(name: str):
    model, example = MAKERS[name]()
    small = apply(model, random_plan(survey(model, example), 0.0, 0), example)
    assert torch.equal(model.eval()(*example), small.eval()(*example))
    assert small is not model


@pytest.mark.parametrize("name", ["deepfm", "caser", "mf", "per_field", "image"])
def test_units_that_are_zero_already_go_without_a_trace(name: str):
    torch.manual_seed(0)
    model, example = MAKERS[name]()
    found = survey(model, example)
    plan = random_plan(found, 0.4, 1)
    plan = Plan(found, {k: v for k, v in plan.kept.items() if found.site(k).kind is not Kind.ID}, plan.budget)
    already = masked(model, plan).eval()
    small = apply(already, Plan(survey(already, example), plan.kept, plan.budget), example).eval()
    columns = getattr(model, "columns", None) or [f"input{i}" for i in range(len(example))]
    wanted = already(*example)
    torch.testing.assert_close(small(*shrink_inputs(plan, example, columns)), wanted, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("name", ["deepfm", "caser", "mf", "per_field", "image"])
def test_two_plans_in_a_row_equal_their_composition(name: str):
    torch.manual_seed(3)
    model, example = MAKERS[name]()
    first = random_plan(survey(model, example), 0.3, 1)
    columns = getattr(model, "columns", None) or [f"input{i}" for i in range(len(example))]
    once = apply(model, first, example)
    inputs = shrink_inputs(first, example, columns)
    left = getattr(once, "columns", None)
    second_survey = survey(once, inputs, left or columns)
    second = random_plan(second_survey, 0.3, 2)
    second = Plan(
        second_survey, {k: v for k, v in second.kept.items() if second_survey.site(k).kind is Kind.DIM}, second.budget
    )
    twice = apply(once, second, inputs)
    kept = {s.name: first.units(s) for s in first.survey.sites}
    for site in second_survey.sites:
        if site.name in second.kept:
            kept[site.name] = kept[site.name][second.kept[site.name]]
    at_once = apply(model, Plan(first.survey, kept, first.budget, encodings=first.encodings), example)
    assert all(torch.equal(a, b) for a, b in zip(twice.parameters(), at_once.parameters(), strict=True))


def test_training_goes_on_after_surgery_and_attributes_are_corrected():
    model, example = deepfm()
    small = apply(model, random_plan(survey(model, example), 0.4, 5), example)
    rows = tuple(torch.zeros(4, dtype=torch.long) for _ in small.columns)
    loss = small.train()(*rows).square().mean()
    loss.backward()
    torch.optim.Adam(small.parameters()).step()
    for module in small.modules():
        if isinstance(module, nn.Linear):
            assert (module.out_features, module.in_features) == tuple(module.weight.shape)
        if isinstance(module, nn.Embedding):
            assert (module.num_embeddings, module.embedding_dim) == tuple(module.weight.shape)


def test_ids_that_leave_answer_with_the_weighed_mean_of_what_left():
    model, example = deepfm()
    found = survey(model, example)
    plan = Plan(found, {"hour.id": np.array([0, 3], dtype=np.int64)}, Budget(0.1))
    counts = {"hour": np.array([0, 9, 1, 3, 9])}
    small = apply(model, plan, example, counts=counts)
    gone = model.table.weight[24 + np.array([2, 3])]
    torch.testing.assert_close(small.table.weight[24], (gone[0] * 1 + gone[1] * 3) / 4)
    assert renumber(plan)["hour"].tolist() == [0, 1, 0, 0, 2]
    unknown = apply(model, plan, example, counts={"hour": np.array([4, 9, 1, 3, 9])})
    own = model.table.weight[24]
    torch.testing.assert_close(unknown.table.weight[24], (own * 4 + gone[0] * 1 + gone[1] * 3) / 8)
    assert small.table.weight.shape == (27, 4)


def test_a_plan_for_another_model_names_the_tensor_that_differs():
    plan = random_plan(survey(*MAKERS["mf"]()), 0.3, 0)
    with pytest.raises(PlanError, match=r"user\.weight is \(9, 6\) there and \(10, 6\) here"):
        apply(MF(10, 12, 6), plan, (torch.arange(3),))


class Plain(nn.Module):
    """Two layers; those below have the same tensors and another forward."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(x))


class Fixed(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(x).view(-1, 8))


class Counts(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.relu(self.a(x))) * self.a.out_features


@pytest.mark.parametrize(
    ("kind", "why"), [(Fixed, "written into forward as a number"), (Counts, "forward computes with the width")]
)
def test_a_survey_leaves_whole_what_cannot_be_cut_and_says_why(kind: type[nn.Module], why: str):
    found = survey(kind(), (torch.rand(2, 3),))
    assert not found.sites
    assert why in found.whole["a.neuron"]


def test_a_width_written_into_forward_is_named_not_swallowed():
    example = (torch.rand(2, 3),)
    plan = random_plan(survey(Plain(), example), 0.4, 0)
    with pytest.raises(SurgeryError, match="A width written into forward") as caught:
        apply(Fixed(), plan, example)
    assert caught.value.sites == ("a.neuron",)


def test_a_smaller_model_that_computes_something_else_is_refused():
    example = (torch.rand(2, 3),)
    plan = random_plan(survey(Plain(), example), 0.4, 0)
    with pytest.raises(SurgeryError, match="does not equal the masked one"):
        apply(Counts(), plan, example)


@pytest.mark.parametrize("fused", [True, False])
def test_dims_of_attention_heads_leave_with_the_attribute_and_the_scale_kept_right(fused: bool):
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.heads, self.dim = 2, 4
            self.item, self.norm = nn.Embedding(20, 8), nn.LayerNorm(8)
            self.q, self.k, self.v, self.o = (nn.Linear(8, 8) for _ in range(4))
            self.out = nn.Linear(8, 3)

        def forward(self, sequence: Tensor) -> Tensor:
            x = self.norm(self.item(sequence))
            shape = (*sequence.shape, -1, self.dim)
            q, k, v = (f(x).view(shape).transpose(1, 2) for f in (self.q, self.k, self.v))
            if fused:
                mixed = nn.functional.scaled_dot_product_attention(q, k, v)
            else:
                mixed = torch.softmax(q @ k.transpose(2, 3) / self.dim**0.5, -1) @ v
            return self.out((x + self.o(mixed.transpose(1, 2).flatten(2)))[:, -1])

    torch.manual_seed(0)
    model, example = Attention(), (torch.randint(20, (3, 5)),)
    found = survey(model, example)
    (inside,) = [s for s in found.sites if "inside" in s.name]
    assert inside.attributes == ("dim",)
    plan = Plan(found, {inside.name: np.array([0, 2, 3])}, Budget(0.1))
    small = apply(model, plan, example)
    assert (small.dim, small.q.out_features, small.o.in_features) == (3, 6, 6)
    wanted = masked(model, plan).eval()(*example)
    torch.testing.assert_close(small(*example), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["deepfm", "caser", "mf", "ease"])
def test_a_fresh_skeleton_takes_stored_shapes(name: str):
    model, example = MAKERS[name]()
    plan = random_plan(survey(model, example), 0.5, 4)
    small = apply(model, plan, example).eval()
    fresh = type(model)(**model.config).eval()
    reshape_(fresh, small.state_dict(), plan.encodings, small.columns)
    inputs = shrink_inputs(plan, example, model.columns)
    assert torch.equal(small(*inputs), fresh(*inputs))
    with pytest.raises(SurgeryError, match="do not fit the model"):
        reshape_(type(model)(**model.config), {"nothing": torch.zeros(1)})


WIDE = {
    "deepfm": lambda: (DeepFM(["a", "b"], [40, 30], dim=8, hidden=(24,)), fields()),
    "caser": lambda: (Caser(40, 5, 12, 4, (1, 2, 5), 3), (torch.randint(40, (3, 5)),)),
    "mf": lambda: (MF(20, 30, 16), (torch.arange(3),)),
}


def fields() -> tuple[Tensor, ...]:
    return tuple(torch.randint(30, (3,)) for _ in range(2))


def packing_plan(model: nn.Module, example: tuple[Tensor, ...], encoding: str, factor: float = 0.3) -> Plan:
    plan = random_plan(survey(model, example), factor, 3)
    rows = {row.tensor: row for row in plan.account().rows}
    wide = [n for n, reason in packable(model).items() if not reason and rows[n].after[1] > 3 and rows[n].after[0] > 1]
    return Plan(plan.survey, plan.kept, plan.budget, encodings=dict.fromkeys(wide, encoding))


@pytest.mark.parametrize("factor", [0.0, 0.3])
@pytest.mark.parametrize("encoding", ["int8_rows", "int4_rotated_rows", "bf16", "top_entries(k=2)", "sparse_rows"])
@pytest.mark.parametrize("name", WIDE)
def test_what_stays_is_packed_as_planned_and_counted_to_the_byte(name: str, encoding: str, factor: float):
    torch.manual_seed(1)
    model, example = WIDE[name]()
    randomised(model)
    before = copy.deepcopy(model.state_dict())
    plan = packing_plan(model, example, encoding, factor)
    small = apply(model, plan, example)
    account = plan.account()
    assert sum(t.numel() * t.element_size() for t in named_tensors(small).values()) == account.bytes_after
    assert size_of(small)[0] + size_of(small)[1] == account.parameters_after
    assert {n for n, m in small.named_modules() if isinstance(m, Packed)} == {n[:-7] for n in plan.encodings}
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    floats = apply(model, plan, example, packed=False)
    assert not any(isinstance(m, Packed) for m in floats.modules())
    later = pack_planned(floats, plan)
    inputs = shrink_inputs(plan, example, model.columns)
    assert torch.equal(later(*inputs), small(*inputs))


def test_entries_that_stay_can_be_stored_a_row_at_a_time():
    torch.manual_seed(0)
    model, example = MAKERS["ease"]()
    randomised(model)
    plan = random_plan(survey(model, example), 0.9, 2)
    plan = Plan(plan.survey, plan.kept, plan.budget, encodings={"items.weight": "top_entries"})
    small = apply(model, plan, example)
    assert torch.equal(small.items.weight, masked(model, plan).items.weight)
    assert sum(t.numel() * t.element_size() for t in named_tensors(small).values()) == plan.account().bytes_after


def test_a_plan_that_packs_what_cannot_be_packed_is_refused_before_anything_is_cut(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("recprune.surgery.cut.smaller_copy", lambda *_: pytest.fail("it was cut"))
    model, example = WIDE["deepfm"]()
    plan = random_plan(survey(model, example), 0.3, 3)
    hook = model.tower[0].register_forward_hook(lambda *_: None)
    bad = Plan(plan.survey, plan.kept, plan.budget, encodings={"tower.0.weight": "fp16"})
    with pytest.raises(SurgeryError, match="forward hooks"):
        apply(model, bad, example)
    hook.remove()
    wide = Plan(plan.survey, plan.kept, plan.budget, encodings={"linear.weight": "top_entries"})
    with pytest.raises(BudgetError, match=r"what stays of 'linear\.weight'"):
        apply(model, wide, example)


@pytest.mark.parametrize("encoding", ["int4_rotated_rows", "top_entries(k=2)", "sparse_rows"])
def test_a_fresh_skeleton_takes_codes(encoding: str):
    torch.manual_seed(0)
    model, example = WIDE["caser"]()
    plan = packing_plan(model, example, encoding)
    small = apply(model, plan, example)
    fresh = Caser(**model.config).eval()
    names = {name: encoding.partition("(")[0] for name in plan.encodings}
    reshape_(fresh, small.state_dict(), names, small.columns)
    inputs = shrink_inputs(plan, example, model.columns)
    assert torch.equal(small(*inputs), fresh(*inputs))
    damaged = {**small.state_dict(), "output.bias": torch.zeros(3)}
    with pytest.raises(SurgeryError, match="a bias of shape"):
        reshape_(Caser(**model.config), damaged, names, small.columns)
    with pytest.raises(SurgeryError, match="no parameter"):
        reshape_(Caser(**model.config), small.state_dict(), {"dropout.weight": "fp16"})
