"""A survey leaves the model as it was, and offers nothing where copies of it do not answer by themselves."""

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recprune.errors import SurveyError
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.planning.plan import Plan
from recprune.surgery import apply, masked, shrink_inputs, shrink_outputs
from recprune.tracing.comparing import difference
from recprune.tracing.trace import survey
from recprune.tracing.untouched import Reading, unwritten

IDS = (torch.tensor([3, 1, 4, 15, 9]),)


class Plain(nn.Module):
    """A table and two layers."""

    def __init__(self, **of: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.inner, self.out = nn.Embedding(50, 16, **of), nn.Linear(16, 32), nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Any:
        return self.out(torch.relu(self.inner(self.table(x))))


class Counting(Plain):
    """Writes into a buffer, puts another in the place of one, and has its table renormed."""

    def __init__(self) -> None:
        super().__init__(max_norm=1.0)
        self.register_buffer("calls", torch.zeros(3))
        self.register_buffer("last", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls[1] += 1
        self.last = self.last + 1
        return super().forward(x)


def test_what_forward_writes_is_put_back():
    model = Counting().eval()
    before, places = {n: t.clone() for n, t in model.state_dict().items()}, dict(model.named_buffers())
    survey(model, IDS)
    assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items())
    assert all(t is places[n] for n, t in model.named_buffers())
    with torch.no_grad(), unwritten(model):
        model(*IDS)
        assert (float(model.calls[1]), float(model.last)) == (1, 1)
        assert not torch.equal(model.table.weight, before["table.weight"])
    assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items())


def test_it_is_put_back_after_an_error_too():
    model = Counting().eval()
    with pytest.raises(SurveyError):
        survey(model, (torch.tensor([3, 99]),))
    assert float(model.calls.sum()) == 0


def test_a_function_that_holds_on_to_the_model_leaves_it_whole():
    model = Plain()
    model.forward = lambda x: model.out(torch.relu(model.inner(model.table(x))))
    found = survey(model, IDS)
    assert found.sites == ()
    assert found.whole["inner.neuron"].startswith("a copy of Plain still reads 'table.weight' of the model")


def test_a_model_that_cannot_be_copied_says_so():
    model = Plain()
    model.lock = threading.Lock()
    found = survey(model, IDS)
    assert found.sites == ()
    assert "no copy of Plain can be made and run: TypeError: cannot pickle" in found.whole["table.dim"]


def test_reading_names_what_is_read():
    model = Plain()
    with Reading(model) as reading:
        model.out(torch.zeros(2, 32))
    assert set(reading.found) == {"out.weight", "out.bias"}


class Stepping(nn.Module):
    """Takes a state of so many rows, so that no longer batch can be asked."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.cell = nn.Embedding(50, 16), nn.GRU(16, 24)
        self.inner, self.out = nn.Linear(24, 16), nn.Linear(16, 5)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        return self.out(torch.relu(self.inner(self.cell(self.table(x).unsqueeze(0), state)[0][0])))


def test_a_model_that_takes_no_longer_batch_is_tried_on_the_example():
    model, inputs = Stepping().eval(), (*IDS, torch.zeros(1, 5, 24))
    found = survey(model, inputs)
    assert {"input0.id", "table.dim", "inner.neuron"} <= {s.name for s in found.sites}
    plan = Plan(found, {"inner.neuron": np.arange(7), "table.dim": np.arange(3, 12)}, Budget(0.0))
    small = apply(model, plan, inputs)
    assert tuple(small.inner.weight.shape) == (7, 24)
    assert torch.allclose(small(*inputs), masked(model, plan)(*inputs), atol=1e-6)


@dataclass
class Out:
    """What a model gives back."""

    logits: Tensor
    loss: Tensor | None = None


class Wrapped(Plain):
    """Gives back what `wrap` makes of its answer."""

    def __init__(self, wrap) -> None:
        super().__init__()
        self.wrap = wrap

    def forward(self, x: Tensor) -> Any:
        return self.wrap(super().forward(x))


@pytest.mark.parametrize(
    "wrap", [Out, lambda y: {"a": [Out(y)]}, lambda y: (1, "x", y)], ids=["it", "nested", "beside"]
)
def test_an_answer_in_a_dataclass_keeps_its_width(wrap):
    model = Wrapped(wrap).eval()
    found = survey(model, IDS)
    assert "out.neuron" not in {s.name for s in found.sites}
    scores = {s.name: torch.arange(s.size).float() for s in found.sites}
    plan = choose(found, scores, Budget(0.5))
    small = apply(model, plan, IDS)
    with torch.no_grad():
        before, after = shrink_outputs(plan, masked(model, plan)(*IDS)), small(*shrink_inputs(plan, IDS))
    assert difference(before, after) < 1e-5


@pytest.mark.parametrize(
    "wrap", [lambda y: torch.distributions.Categorical(logits=y), lambda y: y.tolist(), lambda y: None]
)
def test_an_answer_without_tensors_in_sight_is_refused(wrap):
    with pytest.raises(SurveyError, match=r"Wrapped gives back (Categorical|list|NoneType), whose tensors"):
        survey(Wrapped(wrap).eval(), IDS)


def test_answers_of_unlike_kinds_are_far_apart():
    one = torch.ones(3)
    assert difference(Out(one), Out(one.clone())) == 0
    assert difference(Out(one), Out(one + 1)) == 1
    assert difference(Out(one), (one,)) == float("inf")
    assert difference(Out(one, one), Out(one)) == float("inf")
    assert difference((one, 2), (one, 4)) == 1
    assert difference({"a": one}, {"b": one}) == float("inf")
