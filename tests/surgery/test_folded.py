"""Batch norms that go into the layers before them once the smaller model is packed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from recprune.artifact import load, save
from recprune.encodings.folded import FOLDED, in_short
from recprune.errors import ArtifactError, SurgeryError, TrainingError
from recprune.evaluation.inputs import columns_of, example
from recprune.models.build import build
from recprune.packing import folding
from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.recipe.agree import agree
from recprune.recipe.prune import plan, prune
from recprune.recipe.rivals import by_rare_ids, from_scratch
from recprune.recipe.tuned import tuned
from recprune.runtimes.asking import arrays
from recprune.runtimes.kernels import kernels
from recprune.surgery import apply, masked, pack_planned, shrink_inputs
from recprune.testing.data import tiny_clicks
from recprune.tracing.site import Kind
from recprune.tracing.trace import survey
from recprune.training.fit import FitOptions, fit

FEW = FitOptions(epochs=2, patience=2, batch=64)


@pytest.fixture(scope="module")
def whole():
    split = tiny_clicks()
    model = build("deepfm", split, dim=8, hidden=[24, 16])
    fit(model, split, replace(FEW, epochs=3))
    return model, split


@pytest.fixture(scope="module")
def small(whole):
    model, split = whole
    return prune(model, split, budget=Budget(bytes=6000), options=FEW)


def norms(model):
    return [type(m).__name__ for m in model.modules() if isinstance(m, nn.BatchNorm1d)]


def test_a_plan_for_bytes_folds_them_and_counts_no_byte_of_them(whole, small):
    assert small.plan.folded() == ("tower.1", "tower.5")
    assert norms(whole[0]) == ["BatchNorm1d", "BatchNorm1d"]
    assert not norms(small.model)
    rows = {row.tensor: row for row in small.plan.account().rows}
    gone = [name for name, text in small.plan.encodings.items() if text == FOLDED]
    assert len(gone) == 10
    assert all(rows[name].bytes_after == rows[name].entries_after == 0 for name in gone)
    learned = sum(p.numel() for p in small.model.parameters())
    coded = sum(rows[name].entries_after for name in small.plan.packed())
    assert learned + coded == small.plan.account().parameters_after


def test_people_are_told_of_a_norm_once(small):
    told = in_short(small.plan.encodings)
    assert [name for name, text in told.items() if text == FOLDED] == ["tower.1", "tower.5"]
    assert {name: text for name, text in told.items() if text != FOLDED} == {
        name: text for name, text in small.plan.encodings.items() if text != FOLDED
    }


def test_the_file_is_as_large_as_the_plan_says_and_comes_back(whole, small, tmp_path):
    model, split = whole
    save(tmp_path / "a", small.model, plan=small.plan, vocabularies=small.vocabularies)
    assert (tmp_path / "a" / "weights.safetensors").stat().st_size == small.plan.file_bytes() <= 6000
    again = load(tmp_path / "a")
    inputs = shrink_inputs(small.plan, example(model, split, 50), columns_of(model))
    assert torch.equal(again.model(*inputs), small.model(*inputs))
    assert again.plan == small.plan
    save(tmp_path / "b", again.model, plan=again.plan, vocabularies=again.vocabularies)
    assert (tmp_path / "b" / "weights.safetensors").read_bytes() == (
        tmp_path / "a" / "weights.safetensors"
    ).read_bytes()


def test_the_packed_model_answers_as_the_masked_one(whole, small):
    model, split = whole
    proof = agree(model, small.plan, small.model, split.vocabularies, split)
    assert proof.cut.largest <= proof.cut.allowed
    assert proof.trained
    untrained = apply(model, small.plan, example(model, split))
    assert not agree(model, small.plan, untrained, split.vocabularies).trained


def test_what_is_cut_and_not_packed_keeps_its_norms(whole, small):
    model, split = whole
    floats = apply(model, small.plan, example(model, split), packed=False)
    assert len(norms(floats)) == 2
    inputs = example(model, split, 40)
    own = shrink_inputs(small.plan, inputs, columns_of(model))
    alone = Plan(small.plan.survey, small.plan.kept, small.plan.budget, encodings=folding(model))
    folded = pack_planned(floats, alone, own)
    assert not norms(folded)
    torch.testing.assert_close(folded(*own), masked(model, alone).eval()(*inputs), rtol=1e-5, atol=1e-5)


def test_bytes_that_norms_leave_go_to_other_numbers(whole):
    model, split = whole
    all_ = Plan(survey(model, example(model, split)), {}, Budget(0.0)).file_bytes()
    budget = Budget(bytes=all_ - 3000, kinds=frozenset({Kind.NEURON}))
    with_, without = (plan(model, split, budget=budget, encodings=e) for e in ((FOLDED,), ()))
    assert with_.folded()
    assert not without.folded()
    rows = [{row.tensor: row for row in one.account().rows} for one in (with_, without)]
    assert rows[0]["tower.0.weight"].entries_after > rows[1]["tower.0.weight"].entries_after


def test_a_factor_counts_parameters_and_folds_where_that_is_named(whole):
    model, split = whole
    assert not plan(model, split, factor=0.3).folded()
    assert plan(model, split, factor=0.3, encodings=(FOLDED,)).folded() == ("tower.1", "tower.5")


def test_norms_stand_again_while_what_was_packed_is_trained(whole, small):
    _, split = whole
    made, done = tuned(small.model, split, FEW, renumber=small.renumber, progress=None)
    assert not norms(made)
    assert done.history
    assert sum(t.numel() * t.element_size() for t in made.state_dict().values()) == sum(
        t.numel() * t.element_size() for t in small.model.state_dict().values()
    )


def test_of_no_rows_nothing_is_learned(whole, small):
    _, split = whole
    none = replace(split, train=split.train.take(np.arange(0)))
    with pytest.raises(TrainingError, match="no sample to learn from; look at how the data was split"):
        tuned(small.model, none, FEW, renumber=small.renumber)


def test_rivals_of_the_same_size_have_no_norms_either(whole, small):
    model, split = whole
    scratch = from_scratch(model, split, small, options=FEW)
    assert not norms(scratch.model)
    size = small.plan.file_bytes()
    rare = by_rare_ids(model, split, replace(small, plan=replace(small.plan, budget=Budget(bytes=size))), options=FEW)
    assert rare.plan.folded() == small.plan.folded()
    assert rare.plan.file_bytes() <= size


def test_the_kernels_answer_a_folded_model(whole, small):
    model, split = whole
    inputs = shrink_inputs(small.plan, example(model, split, 30), columns_of(model))
    columns = arrays(inputs)
    found = kernels(small.model, columns)(columns)
    torch.testing.assert_close(torch.as_tensor(found), small.model(*inputs), rtol=1e-4, atol=1e-5)


def test_what_cannot_be_folded_is_named(whole, small, tmp_path):
    model, split = whole
    wrong = Plan(survey(model, example(model, split)), {}, Budget(0.0), encodings={"tower.0.bias": FOLDED})
    with pytest.raises(SurgeryError, match=r"takes in 'tower\.0'"):
        apply(model, wrong, example(model, split))
    save(tmp_path / "a", small.model, plan=small.plan)
    manifest = (tmp_path / "a" / "manifest.json").read_text()
    assert manifest.count('"folded"') == 10
    with pytest.raises(ArtifactError, match=r"no norm 'tower\.1'"):
        load(tmp_path / "a", model=build("deepfm", split, dim=8, hidden=[24, 16], norm=False))
