"""How often rows of a smaller model are looked up."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import recprune
from recprune.evaluation.evaluate import evaluate
from recprune.packing import pack
from recprune.planning.budget import Budget
from recprune.recipe.prune import plan
from recprune.recipe.pruned import carry_out
from recprune.recipe.restrict import restrict
from recprune.recipe.rivals import from_scratch
from recprune.recipe.uses import uses
from recprune.surgery import renumber
from recprune.testing import tiny_split
from recprune.tracing.site import Kind
from recprune.training.fit import FitOptions

ONE = FitOptions(epochs=1, batch=8)
ROWS = "product_rows(m=2)"


@pytest.fixture(scope="module")
def made():
    split = tiny_split(users=400, items=700)
    model = recprune.build("sasrec", split, length=4, dim=8)
    recprune.fit(model, split, ONE)
    chosen = plan(model, split, budget=Budget(0.2, kinds=frozenset({Kind.ID})))
    return model, split, replace(chosen, encodings={"item.weight": ROWS})


def test_every_row_counts_what_train_has_of_it_and_the_first_what_left(made):
    _, split, chosen = made
    codes = renumber(chosen)["sequence"]
    found = uses(chosen, split)["item.weight"]
    assert len(found) == codes.max() + 1 < split.train.n_items
    assert found.tolist() == np.bincount(codes[split.train["item"]], minlength=len(found)).tolist()
    assert int(found.sum()) == len(split.train)


def test_tables_of_which_nothing_is_known_are_left_out(made):
    _, split, chosen = made
    other = replace(chosen, encodings={"position.weight": "int8_rows", "blocks.0.up.weight": "int8_rows"})
    assert uses(other, split) == {}
    assert uses(replace(chosen, encodings={}), split) == {}


def test_what_is_stored_has_books_that_know_it(made):
    model, split, chosen = made
    small = carry_out(model, split, chosen, finetuned=False)
    floats = carry_out(model, split, chosen, finetuned=False, packed=False).model
    known = pack(floats, {"item.weight": ROWS}, used=uses(chosen, split))
    assert torch.equal(small.model.item.stored.dense(), known.item.stored.dense())
    assert not torch.equal(small.model.item.stored.dense(), pack(floats, {"item.weight": ROWS}).item.stored.dense())


def test_the_best_epoch_is_that_of_the_packed_model_from_scratch_too(made):
    model, split, chosen = made
    small = carry_out(model, split, chosen, options=ONE)
    fresh = from_scratch(model, split, small, options=ONE)
    for found in (small, fresh):
        part = restrict(split, found.renumber)
        value = evaluate(found.model, part, "valid", k=20).mean["ndcg@20"]
        assert found.fit.best_epoch == 0 or value == pytest.approx(found.fit.history[-1].value, abs=5e-3)
