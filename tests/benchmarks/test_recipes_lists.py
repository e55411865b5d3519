"""The recommenders of lists in the benchmarks, on tiny data."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from recprune.testing import tiny_split

sys.path.append(str(Path(__file__).parents[2]))
recipes = importlib.import_module("benchmarks.recipes_lists")


@pytest.mark.parametrize("name", recipes.SETS)
def test_what_is_pruned_and_what_is_drawn_is_among_the_models(name):
    data = recipes.SETS[name]
    assert {data.best, *data.drawn} <= set(data.models)


@pytest.mark.parametrize("name", ["mf", "lightgcn", "ultragcn"])
def test_factorisations_of_users_go_by_their_seed(name):
    how = recipes.DRAWN if name == "ultragcn" else recipes.BPR
    make = recipes.factors(name, replace(how, batch=32), 0.01, 2, 4, **recipes.SPECTRAL)
    first, again, other = (make(tiny_split(), seed).item.weight.detach() for seed in (0, 0, 1))
    assert first.shape[1] == 64
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
