"""Layers that keep variables of their own and are copied by being built anew get their tensors all the same."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from recprune.errors import SurgeryError
from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.surgery import apply
from recprune.tracing.copying import copied, layers, wrap_call
from recprune.tracing.trace import survey

MADE = [0]


class Variable:
    def __init__(self, name: str, value: Tensor) -> None:
        self._path, self._value, self._shape = name, nn.Parameter(value), tuple(value.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shape


class Rebuilt(nn.Module):
    """Two linear layers whose numbers are in variables; a copy is made from a config and has names of its own."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        MADE[0] += 1
        shapes = {"a": (4, width), "b": (width, 3)}
        made = [Variable(f"{n}{MADE[0]}", torch.randn(s)) for n, s in shapes.items()]
        self._trainable_variables = self.variables = made
        self._track_variables()

    def _track_variables(self) -> None:
        self._torch_params = nn.ParameterDict({v._path: v._value for v in self.variables})

    def __reduce__(self) -> Any:
        return Rebuilt, (self.variables[0].shape[1],)

    def __call__(self, x: Tensor) -> Tensor:
        return self.call(x)

    def call(self, x: Tensor) -> Tensor:
        a, b = (v._value for v in self.variables)
        return torch.relu(x @ a) @ b


class Changed(Rebuilt):
    """Its copy has other variables than it."""

    def __reduce__(self) -> Any:
        return Rebuilt, (self.variables[0].shape[1] + 1,)


def replaced(model: nn.Module) -> dict[str, tuple[Tensor, Tensor]]:
    return {name: (p, nn.Parameter(p.detach() + 1)) for name, p in model.named_parameters()}


def test_the_copy_computes_with_the_new_tensors_under_the_old_names():
    model = Rebuilt()
    new = replaced(model)
    out = copied(model, new)
    assert {name: id(p) for name, p in out.named_parameters()} == {name: id(v) for name, (_, v) in new.items()}
    x = torch.randn(5, 4)
    a, b = (v._value + 1 for v in model.variables)
    assert torch.allclose(out(x), torch.relu(x @ a) @ b)


def test_a_copy_with_other_variables_is_refused():
    with pytest.raises(SurgeryError, match="other variables"):
        copied(model := Changed(), replaced(model))


def test_units_leave_such_a_model_exactly():
    model, x = Rebuilt().eval(), torch.randn(5, 4)
    found = survey(model, (x,))
    (site,) = found.sites
    small = apply(model, Plan(found, {site.name: np.array([0, 2, 5])}, Budget(0.0)), (x,))
    assert [v.shape for v in small.variables] == [(4, 3), (3, 3)]
    a, b = (v._value for v in model.variables)
    assert torch.allclose(small(x), torch.relu(x @ a[:, [0, 2, 5]]) @ b[[0, 2, 5]], atol=1e-6)


def test_layers_in_a_list_that_torch_does_not_see_are_found():
    model, inner = nn.Module(), nn.Linear(2, 2)
    model._layers = [inner]
    assert inner in layers(model)


def test_a_call_of_its_own_is_what_is_wrapped():
    assert wrap_call(Rebuilt()) == "call"
    assert wrap_call(nn.Linear(2, 2)) == "forward"


def test_a_tensor_that_a_module_computed_in_its_last_pass_is_copied_without_its_history():
    model, x = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)), torch.rand(3, 4)
    prune.random_unstructured(model[0], "weight", 0.5)
    found = survey(model, (x,))
    model(x).sum().backward()
    assert not model[0].weight.is_leaf
    small = apply(model, Plan(found, {site.name: np.array([0, 3]) for site in found.sites}, Budget(0.0)), (x,))
    assert small[0].out_features == 2
    assert torch.equal(small[0].weight, (model[0].weight_orig * model[0].weight_mask)[[0, 3]])


class Counted(nn.Module):
    """Copied in a way of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.times = nn.Linear(2, 2), 0

    def __deepcopy__(self, memo: dict[int, Any]) -> "Counted":
        out = Counted()
        out.layer, out.times = copy.deepcopy(self.layer, memo), self.times + 1
        return out


class Odd(nn.Module):
    """What modules hold beside tensors: one module in two places, lists and hooks that name it, a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.known = [shared := nn.Linear(2, 2)]
        self.first, self.again, self.own, self.conv = shared, shared, Counted(), nn.Conv1d(2, 2, 1)
        self.options = {"deep": {"er": [1, 2]}}
        self.seen: list[int] = []
        self.register_forward_hook(Odd.note)

    def note(self, args: Any, output: Any) -> None:
        self.seen.append(len(output))

    def forward(self, x: Tensor) -> Tensor:
        return self.again(self.own.layer(self.first(x)))


def test_a_copy_has_all_that_a_module_holds_and_shares_nothing_with_it():
    model = Odd()
    out = copied(model, replaced(model))
    assert out.known[0] is out.first is out.again is not model.first
    assert (out.own.times, out.options) == (1, {"deep": {"er": [1, 2]}})
    assert out.options["deep"]["er"] is not model.options["deep"]["er"]
    out(torch.rand(3, 2))
    assert (out.seen, model.seen) == ([3], [])
    assert {id(p) for p in out.parameters()}.isdisjoint({id(p) for p in model.parameters()})
