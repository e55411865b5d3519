"""The contract of a recommender."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recprune.data.dataset import Split
from recprune.evaluation.inputs import ranks, row_inputs, user_inputs
from recprune.models.recommender import Recommender

__all__ = ["check_model"]


def check_model(model: nn.Module, split: Split) -> None:
    """Assert that a model, made for the data of `split` and not trained, keeps the contract of a recommender:

    columns: names of dataset columns, as many as forward takes. config: constructor arguments that survive JSON and
    build the same skeleton. forward: floats, (batch, n_items) where all columns are of the user and (batch,) otherwise,
    for 1, 2 and 17 rows, code 0 and an empty history among them; each row's scores are its own. reset_parameters:
    the same under the same seed. Gradients reach every parameter. A loaded state gives the same scores.
    The model itself is left as it was.
    """
    assert isinstance(model, Recommender), f"{_name(model)}: no `columns`, or no forward"
    model = copy.deepcopy(model)
    _check_columns(model)
    _check_config(model, split)
    _check_reset(model)
    _check_forward(model, split)
    _check_gradients(model, split)


def _check_columns(model: nn.Module) -> None:
    columns: Any = getattr(model, "columns", None)
    assert isinstance(columns, tuple), f"{_name(model)}: columns is a tuple of names, not {columns!r}"
    assert columns, f"{_name(model)}: columns is empty"
    assert all(isinstance(c, str) for c in columns), f"{_name(model)}: columns is a tuple of names, not {columns!r}"
    assert len(set(columns)) == len(columns), f"{_name(model)}: a column stands twice in {columns}"


def _check_config(model: nn.Module, split: Split) -> None:
    config: Any = getattr(model, "config", None)
    assert isinstance(config, dict), f"{_name(model)}: `config` holds the constructor's arguments"
    twin = type(model)(**json.loads(json.dumps(config)))
    here, there = _shapes(model), _shapes(twin)
    assert here == there, f"{_name(model)}: built again from its config it differs: {here} and {there}"
    assert getattr(twin, "columns", None) == getattr(model, "columns", None), f"{_name(model)}: other columns"
    twin.load_state_dict(model.state_dict())
    inputs = _inputs(model, split, 2)
    same = torch.equal(_scores(twin, inputs), _scores(model, inputs))
    assert same, f"{_name(model)}: with the state of the first, its twin from the config scores otherwise"


def _check_reset(model: nn.Module) -> None:
    reset: Any = getattr(model, "reset_parameters", None)
    assert callable(reset), f"{_name(model)}: no reset_parameters()"
    states = []
    for _ in range(2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(7)
            reset()
        states.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
    different = [name for name in states[0] if not torch.equal(states[0][name], states[1][name])]
    assert not different, f"{_name(model)}: reset_parameters() with the same seed gives other {different}"


def _check_forward(model: nn.Module, split: Split) -> None:
    for rows in (1, 2, 17):
        inputs = _inputs(model, split, rows)
        scores = _scores(model, inputs)
        expected = (rows, split.train.n_items) if ranks(model) else (rows,)
        assert tuple(scores.shape) == expected, f"{_name(model)}: {tuple(scores.shape)} scores, expected {expected}"
        assert scores.is_floating_point(), f"{_name(model)}: scores are {scores.dtype}"
        assert bool(torch.isfinite(scores).all()), f"{_name(model)}: scores that are not finite"
        alone = torch.cat([_scores(model, tuple(x[row : row + 1] for x in inputs)) for row in range(rows)])
        close = torch.allclose(scores, alone, rtol=1e-4, atol=1e-5)
        assert close, f"{_name(model)}: a row scores otherwise alone than in a batch of {rows}"


def _check_gradients(model: nn.Module, split: Split) -> None:
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(7)
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.eval()
    model.zero_grad()
    output = model(*_inputs(model, split, 17))
    (output * torch.linspace(-1, 2, output.numel()).reshape(output.shape)).sum().backward()
    missing = [n for n, p in model.named_parameters() if p.grad is None or not bool((_dense(p.grad) != 0).any())]
    assert not missing, f"{_name(model)}: no gradient reaches {missing}"


def _inputs(model: nn.Module, split: Split, rows: int) -> tuple[Tensor, ...]:
    """Real inputs; where there are two rows or more the first is all code 0, an empty history."""
    first = rows == 1
    if ranks(model):
        users = (np.arange(rows) + first) % split.train.n_users
        return user_inputs(model, split.train.histories(), users)
    found = row_inputs(model, split.train, np.arange(rows) % len(split.train))
    if not first:
        for column in found:
            column[0] = 0
    return found


def _scores(model: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    model.eval()
    with torch.no_grad():
        scores: Tensor = model(*inputs)
    return scores


def _shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def _dense(gradient: Tensor) -> Tensor:
    return gradient.to_dense() if gradient.is_sparse else gradient


def _name(model: nn.Module) -> str:
    return type(model).__name__
