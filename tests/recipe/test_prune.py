import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save as to_bytes

from recprune.artifact import load, save
from recprune.data.encode import encode
from recprune.data.log import clean
from recprune.data.simulate import simulate
from recprune.data.split import split_random
from recprune.errors import ArtifactError, BudgetError, ExtensionError
from recprune.evaluation.evaluate import evaluate
from recprune.evaluation.inputs import example
from recprune.evaluation.size import size_of
from recprune.importance.rules.random import Random
from recprune.models.build import build
from recprune.packing import pack, packable, storing, unpack
from recprune.planning.budget import Budget
from recprune.recipe.prune import plan, prune
from recprune.recipe.pruned import as_rule, carry_out, finished
from recprune.recipe.rating import choose_by, rate
from recprune.recipe.restrict import restrict
from recprune.recipe.rivals import by_chance, from_scratch, work_of
from recprune.surgery import renumber
from recprune.testing.data import tiny_clicks, tiny_split
from recprune.tracing.build import named_tensors
from recprune.tracing.site import Kind
from recprune.training.fit import FitOptions, fit

SETTINGS = {"ease": {}, "mf": {"dim": 8}, "caser": {"dim": 8, "length": 4}, "deepfm": {"dim": 4, "hidden": [8]}}
ONE = FitOptions(epochs=1, patience=1)


def trained(name):
    split = tiny_clicks() if name == "deepfm" else tiny_split()
    model = build(name, split, **SETTINGS[name])
    return model, split, fit(model, split, FitOptions(epochs=2))


@pytest.mark.parametrize("name", SETTINGS)
def test_a_pruned_model_is_smaller_by_the_factor_and_can_be_judged(name):
    model, split, _ = trained(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    small = prune(model, split, 0.5, options=ONE)
    account = small.plan.account()
    assert account.share_removed >= 0.5
    assert sum(p.numel() for p in small.model.parameters()) == account.parameters_after
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert evaluate(small.model, split, renumber=small.renumber).mean


@pytest.mark.parametrize("name", SETTINGS)
def test_the_rivals_are_as_small(name):
    model, split, done = trained(name)
    small = prune(model, split, 0.5, options=ONE)
    size = small.plan.account().parameters_after
    chance = by_chance(model, split, small, options=ONE)
    assert chance.plan.account().share_removed >= 0.5
    assert "Random" in chance.plan.rule
    scratch = from_scratch(model, split, small, options=FitOptions(epochs=work_of(done, small.fit)))
    assert sum(p.numel() for p in scratch.model.parameters()) == size
    assert evaluate(scratch.model, split, renumber=scratch.renumber).mean


def stored_plan(model, split, encoding):
    chosen = plan(model, split, 0.3)
    after = {row.tensor: row.after for row in chosen.account().rows}
    names = [n for n, reason in packable(model).items() if not reason and after[n][1] > 2]
    return replace(chosen, encodings=dict.fromkeys(names, encoding))


@pytest.mark.parametrize("name", ["mf", "caser", "deepfm"])
def test_weights_are_stored_as_planned_after_they_were_fine_tuned(name):
    model, split, _ = trained(name)
    chosen = stored_plan(model, split, "int8_rows")
    assert chosen.encodings
    small = carry_out(model, split, chosen, options=ONE)
    assert size_of(small.model)[2] == chosen.account().bytes_after
    assert len(small.fit.history) == 1
    floats = carry_out(model, split, chosen, options=ONE, packed=False)
    off = [n for n in chosen.encodings if not torch.equal(floats.model.get_parameter(n), weight(small.model, n))]
    assert off == list(chosen.encodings)
    again = finished(floats, model, split)
    assert all(torch.equal(weight(again.model, n), weight(small.model, n)) for n in chosen.encodings)
    assert evaluate(small.model, split, renumber=small.renumber).mean


def weight(model, name):
    return model.get_submodule(name.removesuffix(".weight")).weight


@pytest.mark.parametrize("name", ["mf", "deepfm"])
def test_the_rivals_of_a_stored_model_are_stored_alike(name):
    model, split, done = trained(name)
    small = carry_out(model, split, stored_plan(model, split, "int8_rows"), options=ONE)
    scratch = from_scratch(model, split, small, options=FitOptions(epochs=work_of(done, small.fit)))
    assert size_of(scratch.model) == size_of(small.model)
    assert not torch.equal(*(weight(m, next(iter(small.plan.encodings))) for m in (scratch.model, small.model)))
    chance = by_chance(model, split, small, options=ONE)
    assert chance.plan.encodings == small.plan.encodings


def test_the_same_seed_gives_the_same_plan_and_the_same_weights():
    model, split, _ = trained("deepfm")
    one, two = (prune(model, split, 0.4, options=ONE, seed=3) for _ in range(2))
    assert one.plan == two.plan
    assert all(torch.equal(a, b) for a, b in zip(one.model.parameters(), two.model.parameters(), strict=True))


def test_tables_that_no_vocabulary_can_follow_keep_their_rows():
    model, split, _ = trained("caser")
    chosen = plan(model, split, 0.5)
    assert any(site.kind is Kind.ID for site in chosen.survey.sites)
    assert not any(site.kind is Kind.ID and len(chosen.leaving(site)) for site in chosen.survey.sites)


def test_only_the_kinds_of_the_budget_leave():
    model, split, _ = trained("mf")
    chosen = plan(model, split, budget=Budget(0.3, kinds=frozenset({Kind.DIM})))
    assert {chosen.survey.site(name).kind for name in chosen.kept} == {Kind.DIM}


def test_more_than_can_leave_is_refused():
    model, split, _ = trained("mf")
    with pytest.raises(BudgetError, match="cannot be met"):
        prune(model, split, 1.0)


def test_a_rule_that_draws_takes_the_seed():
    assert as_rule("random", 7) == Random(7)
    assert as_rule("magnitude", 7) == as_rule("magnitude")


def by_hand(site, probe):
    return torch.ones(site.size)


class NeedsOptions:
    def __init__(self, a):
        pass


class Plain:
    pass


NUMBER = 3


def test_a_function_is_a_rule_by_its_name_and_what_is_none_is_refused():
    assert as_rule(f"{__name__}:by_hand") is by_hand
    for name, said in (("NeedsOptions", "missing 1"), ("NUMBER", "not a callable"), ("Plain", "cannot be called")):
        with pytest.raises(ExtensionError, match=said):
            as_rule(f"{__name__}:{name}")
    for rule in (Random, 3):
        with pytest.raises(ExtensionError, match="is no rule"):
            as_rule(rule)


@pytest.mark.parametrize("name", ["mf", "caser", "deepfm"])
def test_a_distilled_model_learns_something_else_of_the_same_shape(name):
    model, split, _ = trained(name)
    split = replace(split, valid=split.valid.take(slice(0)))
    plain, taught = (prune(model, split, 0.5, options=FitOptions(epochs=4), distilled=d) for d in (False, True))
    assert plain.plan == taught.plan
    assert evaluate(taught.model, split, renumber=taught.renumber).mean
    pairs = zip(plain.model.parameters(), taught.model.parameters(), strict=True)
    assert not all(torch.equal(a, b) for a, b in pairs)


def test_chance_is_taught_where_the_pruned_model_is():
    model, split, _ = trained("deepfm")
    small = prune(model, split, 0.5, options=FitOptions(epochs=2), distilled=True)
    sides = [by_chance(model, split, small, options=FitOptions(epochs=2), distilled=d) for d in (False, True)]
    assert sides[0].plan == sides[1].plan
    pairs = zip(sides[0].model.parameters(), sides[1].model.parameters(), strict=True)
    assert not all(torch.equal(a, b) for a, b in pairs)


HEADER = 1000
"""Bytes of the weights file that tiny models cannot save."""


@pytest.mark.parametrize("name", ["mf", "deepfm", "caser"])
def test_a_budget_in_bytes_is_met_by_cuts_and_bits_together(name):
    model, split, _ = trained(name)
    before = size_of(model)[2]
    small = prune(model, split, budget=Budget(bytes=before // 4 + HEADER), options=ONE)
    assert size_of(small.model)[2] == small.plan.account().bytes_after
    assert len(to_bytes(dict(named_tensors(small.model)))) == small.plan.file_bytes() <= before // 4 + HEADER
    assert evaluate(small.model, split, renumber=small.renumber).mean


def test_bytes_without_bits_are_met_by_cuts_alone():
    model, split, _ = trained("deepfm")
    before = size_of(model)[2]
    small = prune(model, split, budget=Budget(bytes=before // 2 + HEADER), encodings=(), options=ONE)
    assert small.plan.file_bytes() <= before // 2 + HEADER
    assert not small.plan.encodings


def test_one_encoding_may_store_what_a_factor_leaves():
    model, split, _ = trained("mf")
    small = prune(model, split, 0.5, encodings=("int8_rows",), options=ONE)
    assert set(small.plan.encodings.values()) == {"int8_rows"}
    with pytest.raises(BudgetError, match="one encoding"):
        prune(model, split, 0.5, encodings=("int8_rows", "int4_rows"))
    with pytest.raises(BudgetError, match="cuts alone"):
        prune(model, split, budget=Budget(milliseconds=1.0), encodings=("int8_rows",))


def test_where_entries_alone_can_leave_no_bits_are_tried(monkeypatch):
    def tried(*_, **__):
        raise AssertionError("a copy was trained in the fewest bits")

    monkeypatch.setattr(sys.modules["recprune.recipe.rating"], "recovery_of_bits", tried)
    split = tiny_split(users=80, items=40, each=9)
    model = build("ease", split)
    fit(model, split, FitOptions(reg=5.0))
    assert plan(model, split, budget=Budget(bytes=2000), tuning=FitOptions()).encodings == {
        "items.weight": "item_bytes"
    }
    with pytest.raises(AssertionError, match="fewest bits"):
        plan(build("mf", split, dim=8), split, budget=Budget(bytes=2000), tuning=FitOptions())


SEQUENCES = {"sasrec": {"length": 5, "dim": 8, "layers": 1}, "gru4rec": {"length": 5, "dim": 8, "hidden": 12}}


@pytest.mark.parametrize("name", SEQUENCES)
def test_items_leave_what_reads_and_finds_them_and_lists_hold_those_that_stay(name, tmp_path):
    split = tiny_split(users=60, items=80)
    model = build(name, split, **SEQUENCES[name])
    fit(model, split, FitOptions(epochs=8, lr=0.01))
    small = prune(model, split, budget=Budget(0.4, kinds=frozenset({Kind.ID})), options=ONE)
    items, gone = split.vocabularies["item"], small.plan.leaving(small.plan.survey.site("sequence.id")) + 1
    assert len(gone) > 20
    counts = torch.bincount(torch.from_numpy(split.train["item"]).long(), minlength=len(items))
    stays = [code for code in range(1, len(items)) if code not in gone]
    assert counts[gone].max() <= counts[stays].min()
    assert list(small.vocabularies["item"].ids) == items.decode(stays)
    assert small.renumber["item"].tolist() == small.renumber["sequence"].tolist()
    found = evaluate(small.model, split, renumber=small.renumber)
    assert not set(found.raw["top"].ravel().tolist()) & set(gone.tolist())
    save(tmp_path / "small", small.model, vocabularies=small.vocabularies, plan=small.plan)
    again = load(tmp_path / "small")
    assert (evaluate(again.model, split, renumber=renumber(again.plan)).raw["top"] == found.raw["top"]).all()
    with pytest.raises(ArtifactError, match="'item' has codes up to"):
        save(tmp_path / "other", small.model, vocabularies=split.vocabularies, plan=small.plan)


@pytest.mark.parametrize("name", SEQUENCES)
def test_rows_and_bits_of_a_tied_table_share_the_bytes(name):
    split = tiny_split(users=120, items=400)
    model = build(name, split, **SEQUENCES[name])
    fit(model, split, FitOptions(epochs=4, lr=0.01))
    limit = len(to_bytes(named_tensors(pack(model, storing(model, "int8_rows"))))) - 2_000
    budget = Budget(bytes=limit, kinds=frozenset({Kind.ID}))
    small = prune(model, split, budget=budget, encodings=["int8_rows"], options=FitOptions(epochs=2, patience=2))
    assert len(to_bytes(named_tensors(small.model))) <= small.plan.file_bytes() <= limit
    assert 1 <= len(small.plan.kept["sequence.id"]) < 400
    assert small.plan.encodings["item.weight"] == "int8_rows"
    assert "Usual" in small.plan.rule
    assert evaluate(small.model, split, renumber=small.renumber).mean


GATED = {
    "gru4rec": ({"dim": 16, "hidden": 32}, "gru.weight_hh_l0"),
    "nextitnet": ({"dim": 16}, "blocks.0.first.weight"),
    "caser": ({"dim": 16}, "horizontal.0.weight"),
}


@pytest.mark.parametrize("name", GATED)
def test_gates_and_filters_share_the_bytes_too(name, tmp_path):
    options, weight = GATED[name]
    split = tiny_split(users=80, items=120)
    model = build(name, split, length=6, **options)
    fit(model, split, FitOptions(epochs=3, lr=0.01))
    limit = len(to_bytes(named_tensors(model))) // 5
    few = FitOptions(epochs=2, patience=2)
    small = prune(model, split, budget=Budget(bytes=limit), encodings=["int8_rows", "int4_rows"], options=few)
    assert len(to_bytes(named_tensors(small.model))) == small.plan.file_bytes() <= limit
    assert small.plan.encodings[weight] in ("int8_rows", "int4_rows")
    where = tmp_path / "small"
    save(where, small.model, plan=small.plan)
    found = load(where)
    batch = example(small.model, restrict(split, small.renumber))
    assert torch.equal(found.model(*batch), small.model(*batch))
    assert unpack(found.model).get_parameter(weight).dim() == model.get_parameter(weight).dim()


@pytest.mark.parametrize("judged", [True, False], ids=["validation", "a part of train"])
def test_a_model_that_remembers_its_users_is_as_good_in_few_bytes_whatever_it_is_judged_by(judged):
    """Pairs and dims compete for the bytes; which of them go differs with the last bits of what was trained."""
    before = after = 0.0
    for seed in (1, 2, 3):
        log = simulate(300, 150, 9000, 3, feedback="implicit", seed=seed, noise=(3,), uniques=0).log
        split = split_random(encode(clean(log)), valid=0.1, test=0.1, seed=0)
        model, options = build("mixture", split, dim=16, memory="users"), FitOptions(epochs=4, batch=64, lr=0.01)
        fit(model, split, options)
        part = split if judged else replace(split, valid=split.valid.take(np.arange(0)))
        chosen = plan(model, part, budget=Budget(bytes=5_000), tuning=options)
        assert "Usual" in chosen.rule
        assert chosen.file_bytes() <= 5_000
        small = carry_out(model, part, chosen, options=options)
        whole, less = (evaluate(one, split, k=10).mean["ndcg@10"] for one in (model, small.model))
        before, after = before + whole, after + less
    assert after > 0.9 * before


def test_several_budgets_are_planned_by_one_rating_as_each_alone():
    split = tiny_clicks()
    model = build("deepfm", split, dim=4, hidden=(8,))
    budgets = [Budget(share) for share in (0.3, 0.6)]
    ratings = rate(model, split, budgets[0])
    for budget in budgets:
        assert choose_by(ratings, model, split, budget).to_json() == plan(model, split, budget=budget).to_json()


def test_bytes_that_are_met_already_leave_a_model_of_lists_whole():
    model, split, _ = trained("mf")
    assert plan(model, split, budget=Budget(bytes=10 * size_of(model)[2]), tuning=ONE).kept == {}
