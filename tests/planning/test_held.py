"""Sparse matrices of a model in plans: what they take as codes, and that it is what is stored."""

import json
from dataclasses import replace

import pytest
import torch

import recprune
from recprune.artifact import load, save
from recprune.evaluation.inputs import example
from recprune.evaluation.size import size_of
from recprune.packing import unpack
from recprune.planning.budget import Budget
from recprune.planning.held import absorbed, cut_by_entries, inexact, sparse_matrices
from recprune.planning.plan import Plan
from recprune.recipe.agree import agree
from recprune.recipe.prune import prune
from recprune.surgery import apply
from recprune.testing import tiny_split
from recprune.tracing.site import Kind
from recprune.training.fit import FitOptions, fit

ONCE = FitOptions(epochs=1, batch=16, lr=0.01)


@pytest.fixture(scope="module")
def split():
    return tiny_split(users=120, items=60, each=9)


def trained(split, name, **options):
    model = recprune.build(name, split, **options)
    fit(model, split, ONCE)
    return model.eval()


@pytest.mark.parametrize(
    ("name", "options", "encoding"),
    [
        ("mixture", {"dim": 8, "memory": "users"}, "pair_bits"),
        ("mixture", {"dim": 8, "memory": "users"}, "pair_gaps"),
        ("mixture", {"dim": 8, "k": 20}, "item_bytes"),
        ("slim", {}, "item_bytes"),
    ],
)
def test_entries_leave_and_what_stays_is_stored_as_codes_of_the_size_that_the_plan_says(
    split, name, options, encoding, tmp_path
):
    model = trained(split, name, **options)
    found = recprune.survey(model, example(model, split))
    site = found.site("items.entry")
    assert sparse_matrices(found)["items.values"].shape == site.matrix
    stored = {"items.values": encoding}
    kept = {"items.entry": torch.arange(0, site.size, 2).numpy()}
    plan = Plan(found, kept, Budget(0.0), "every other", stored)
    assert Plan.from_json(plan.to_json()) == plan
    small = apply(model, plan, example(model, split))
    saved = save(tmp_path / "a", small, plan=plan)
    assert plan.account().bytes_after == sum(t.numel() * t.element_size() for t in small.state_dict().values())
    assert plan.file_bytes() == (tmp_path / "a" / "weights.safetensors").stat().st_size, saved
    again = load(tmp_path / "a")
    history = torch.zeros(2, split.train.n_items)
    history[0, [1, 5, 9]] = history[1, 3] = 1
    with torch.no_grad():
        assert torch.equal(again.model(history), small(history))
        assert torch.allclose(unpack(small)(history), small(history), atol=1e-5)
    proof = agree(model, plan, small, split.vocabularies, split)
    assert proof.cut.same + proof.cut.tied == proof.cut.lists
    assert proof.tables["items.weight"].holds


def test_what_stands_beside_the_values_is_counted_with_them(split):
    model = trained(split, "mixture", dim=8, memory="users")
    found = recprune.survey(model, example(model, split))
    assert absorbed(found, {}) == frozenset()
    assert absorbed(found, {"items.values": "pair_bits"}) == {"items.indices", "items.indptr"}
    rows = {r.tensor: r for r in Plan(found, {}, Budget(0.0), "", {"items.values": "pair_bits"}).account().rows}
    assert rows["items.indices"].bytes_after == rows["items.indptr"].bytes_after == 0 < rows["items.values"].bytes_after


def test_entries_of_a_dense_matrix_leave_through_their_encoding_and_those_of_a_sparse_one_do_not(split):
    sparse, dense = trained(split, "slim"), trained(split, "ease")
    for model, told in ((sparse, False), (dense, True)):
        found = recprune.survey(model, example(model, split))
        tensor = found.site("items.entry").cuts[0].tensor if not told else "items.weight"
        assert cut_by_entries(found, {tensor: "item_bytes"}) is told


@pytest.mark.parametrize("share", [0.95, 0.85])
def test_a_budget_in_bytes_is_met_by_codes_and_cuts(split, share):
    model = trained(split, "mixture", dim=8, memory="users")
    found = recprune.survey(model, example(model, split))
    both = {"item.weight": "int8_rows", "items.values": "pair_gaps"}
    limit = int(Plan(found, {}, Budget(0.0), "", both).file_bytes() * share)
    entries = Budget(bytes=limit, kinds=frozenset({Kind.ENTRY}))
    small = prune(model, split, budget=entries, encodings=["int8_rows"], options=ONCE)
    assert size_of(small.model)[2] <= limit
    assert {tensor: text.partition("(")[0] for tensor, text in small.plan.encodings.items()} == both
    assert small.plan.rule.partition("(")[0].endswith(":Coherence")
    left = unpack(small.model).items
    assert len(left.values) == len(small.plan.kept["items.entry"]) < len(model.items.values)


def test_a_plan_of_any_other_encoding_is_refused(split):
    model = trained(split, "mixture", dim=8, memory="users")
    found = recprune.survey(model, example(model, split))
    plan = replace(Plan(found, {}, Budget(0.0)), encodings={"items.values": "int8_rows"})
    with pytest.raises(recprune.errors.PlanError, match="int8_rows stores matrices"):
        plan.account()


@pytest.mark.parametrize("wrong", [["a"], 3, {}])
def test_a_plan_whose_columns_are_no_texts_is_refused(split, wrong):
    model = trained(split, "mixture", dim=8, memory="users")
    said = json.loads(Plan(recprune.survey(model, example(model, split)), {}, Budget(0.0)).to_json())
    for name, value in (("also", [wrong]), ("column", wrong)):
        site = {**said["survey"]["sites"][0], name: value}
        damaged = {**said, "survey": {**said["survey"], "sites": [site]}}
        with pytest.raises(recprune.errors.PlanError, match="text"):
            Plan.from_json(json.dumps(damaged))


def test_a_dense_table_is_not_cut_by_entries_whatever_stores_it(split):
    model = trained(split, "mf", dim=8)
    found = recprune.survey(model, example(model, split))
    table = next(name for name, shape in found.shapes.items() if len(shape) == 2)
    stored = {table: "pair_bits"}
    assert not cut_by_entries(found, stored)
    assert inexact(found, stored, ()) == stored
