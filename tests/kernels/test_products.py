"""Products of rows that are mostly zeros, beside the dense product."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from recprune.dispatch import kernels
from recprune.errors import DataError
from recprune.kernels import products
from recprune.kernels.products import columns_of_rows, linear, sparse_product


def drawn(users: int, columns: int, share: float, seed: int = 0) -> Tensor:
    rng = np.random.default_rng(seed)
    there = rng.random((users, columns)) < share
    return torch.from_numpy(np.where(there, rng.integers(-3, 4, (users, columns)), 0).astype(np.float32))


def whole(rows: int, columns: int, seed: int = 1) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(-4, 5, (rows, columns)).astype(np.float32))


@pytest.fixture
def compiled(level: str) -> str:
    if kernels() is None:
        pytest.skip("numpy multiplies all of it, as torch does")
    return level


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    users=st.sampled_from([0, 1, 2, 40]),
    rows=st.sampled_from([1, 15, 16, 17, 200]),
    columns=st.sampled_from([1, 16, 33, 500]),
    share=st.sampled_from([0.0, 0.01, 0.03]),
    seed=st.integers(0, 999),
)
def test_the_product_is_that_of_all_numbers(
    compiled: str, users: int, rows: int, columns: int, share: float, seed: int
) -> None:
    x, weight = drawn(users, columns, share, seed), whole(rows, columns, seed)
    found = sparse_product(x, weight)
    if found is None:
        assert int((x != 0).sum()) > x.numel() // 16
    else:
        assert torch.equal(found, x @ weight.T)


def test_every_level_adds_up_in_the_same_order(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    weight, x = torch.randn(70, 900), (torch.rand(9, 900) < 0.03).float()
    wanted = torch.stack([sum((weight[:, i] for i in row.nonzero()[:, 0]), torch.zeros(70)) for row in x])
    for name in ("portable C", "avx2", "avx512"):
        monkeypatch.setenv("RECPRUNE_KERNELS", name)
        try:
            found = sparse_product(x, weight)
        except DataError:
            continue
        assert found is not None
        assert torch.equal(found, wanted)


def test_what_is_not_finite_reaches_those_who_have_it_alone(compiled: str) -> None:
    weight = whole(20, 400)
    weight[3, 7] = torch.nan
    x = torch.zeros(2, 400)
    x[0, 7], x[1, 8] = 1, 1
    found = sparse_product(x, weight)
    assert found is not None
    assert found.isnan().nonzero().tolist() == [[0, 3]]


def test_a_layer_gives_what_it_gave(level: str) -> None:
    layer, x = nn.Linear(400, 30, bias=False), drawn(6, 400, 0.02)
    with torch.no_grad():
        assert torch.allclose(linear(layer, x), layer(x), atol=1e-5)
        biased = nn.Linear(400, 30)
        assert torch.equal(linear(biased, x), biased(x))
        crowded = drawn(6, 400, 0.9)
        assert torch.equal(linear(layer, crowded), layer(crowded))
    with pytest.raises(RuntimeError):
        linear(layer, drawn(6, 300, 0.02))


class Watch(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def never() -> None:
        raise AssertionError("the kernel was asked")

    monkeypatch.setattr(products, "kernels", never)


def test_who_asks_for_more_than_numbers_gets_torch(refused: None) -> None:
    layer, x = nn.Linear(400, 30, bias=False), drawn(6, 400, 0.02)
    linear(layer, x).sum().backward()
    assert layer.weight.grad is not None
    with torch.no_grad():
        with Watch() as watch:
            linear(layer, x)
        assert any("mm" in name for name in watch.seen)
        handle, calls = layer.register_forward_hook(lambda *_: calls.append(1)), []
        linear(layer, x)
        handle.remove()
        assert calls == [1]
        torch.vmap(lambda one: linear(layer, one[None]))(x)
        linear(layer.to("meta"), x.to("meta"))
        linear(nn.Linear(400, 30, bias=False).double(), x.double())
        with pytest.raises(AssertionError, match="asked"):
            linear(nn.Linear(400, 30, bias=False), x)


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.items = nn.Linear(400, 30, bias=False)

    def forward(self, history: Tensor) -> Tensor:
        return linear(self.items, history)


def test_an_exported_graph_holds_the_layer(refused: None) -> None:
    with torch.no_grad():
        graph = torch.export.export(Model(), (drawn(6, 400, 0.02),)).graph
        assert any("linear" in str(node.target) for node in graph.nodes)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            traced = torch.jit.trace(Model(), (drawn(6, 400, 0.02),), check_trace=False)
        assert "linear" in str(traced.inlined_graph)


def test_a_matrix_is_turned(level: str) -> None:
    for shape in ((1, 1), (16, 8), (17, 9), (100, 33)):
        matrix = torch.randn(shape)
        assert torch.equal(columns_of_rows(matrix), matrix.T)
    with pytest.raises(DataError, match="finite"):
        columns_of_rows(torch.tensor([[1.0, torch.inf]]))
