"""What fine-tuning makes good is measured kind by kind."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from recprune.evaluation.inputs import example
from recprune.importance.rules.taylor import Taylor
from recprune.importance.rules.usual import Usual
from recprune.importance.score import score
from recprune.models.build import build
from recprune.planning.budget import Budget
from recprune.planning.measured import rise_without
from recprune.planning.plan import Plan
from recprune.recipe.probing import code_counts, probe
from recprune.recipe.pruned import carry_out, followed
from recprune.recipe.recovery import LEAST, SHARES, between, recovered, recovery, recovery_of_bits
from recprune.testing.data import tiny_clicks, tiny_split
from recprune.tracing.site import Kind
from recprune.tracing.trace import survey
from recprune.training.fit import FitOptions, fit
from recprune.training.together import Alone

ONE = FitOptions(epochs=1, patience=1, lr=0.03, batch=16)


@pytest.fixture(scope="module")
def scored(surveyed_clicks):
    model, split, found, asked = surveyed_clicks
    return model, split, found, score(followed(found, split), Taylor(), asked), asked


def test_every_kind_has_a_share_and_fields_count_in_full(scored):
    model, split, found, scores, asked = scored
    before = {key: value.clone() for key, value in model.state_dict().items()}
    shares = recovery(model, split, found, scores, asked)
    assert set(shares) == {found.site(name).kind for name in scores}
    for parts in shares.values():
        assert len(parts) == len(SHARES)
        assert list(parts) == sorted(parts)
        assert parts[0] >= LEAST
    assert shares[Kind.FIELD] == (1.0, 1.0, 1.0)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert shares == recovery(model, split, found, scores, asked)


def test_a_rise_that_stays_counts_in_full():
    split = tiny_clicks()
    model = build("deepfm", split, dim=8, hidden=[32])
    fit(model, split, FitOptions(epochs=20, patience=20, lr=0.03, batch=16))
    found = survey(model, example(model, split))
    asked = probe(model, found, split)
    scores = score(followed(found, split), Taylor(), asked)
    counts, still = code_counts(split), FitOptions(lr=1e-12, decay=0.0)
    told = recovery(model, split, found, scores, asked, options=still, counts=counts)
    rising = [parts for parts in told.values() if parts[0] > LEAST]
    assert rising
    assert all(parts == pytest.approx((1.0, 1.0, 1.0), abs=0.1) for parts in rising)


def test_one_kind_alone_is_not_tried(scored):
    model, split, found, scores, asked = scored
    alone = {name: worth for name, worth in scores.items() if found.site(name).kind is Kind.NEURON}
    said: list[str] = []

    def stage(name):
        said.append(name)
        raise AssertionError

    assert recovery(model, split, found, alone, asked, stage=stage) == {Kind.NEURON: (1.0, 1.0, 1.0)}
    assert not said


def test_scores_are_weighed_by_what_is_left_of_their_share_of_their_kind(scored):
    _, _, found, scores, _ = scored
    told = recovered(found, scores, {Kind.NEURON: (0.25, 0.5, 2.0)})
    for name, worth in scores.items():
        by = torch.ones(len(worth), dtype=worth.dtype)
        if found.site(name).kind is Kind.NEURON:
            order = torch.argsort(worth, stable=True)
            by[order] = torch.tensor([0.25] * 16 + [0.5] * 8 + [2.0] * 8, dtype=worth.dtype)
        assert torch.equal(told[name], worth * by)


def test_the_order_of_the_units_of_a_site_stays_though_the_loss_falls_without_some(scored):
    found = scored[2]
    worth = torch.linspace(-1, 1, found.site("tower.0.neuron").size)
    told = recovered(found, {"tower.0.neuron": worth}, {Kind.NEURON: (0.1, 0.5, 3.0)})["tower.0.neuron"]
    assert bool((told.diff() > 0).all())
    assert torch.allclose(told[:16], worth[:16] * 0.1)


def test_of_units_of_which_the_cheapest_have_left_the_others_count_as_the_dearest_that_they_were(scored):
    _, split, found, _, _ = scored
    model = build("deepfm", split, dim=8, hidden=[20])
    smaller = survey(model, example(model, split))
    worth = torch.arange(20.0)
    told = recovered(smaller, {"tower.0.neuron": worth}, {Kind.NEURON: (0.25, 0.5, 2.0)}, found)["tower.0.neuron"]
    by = torch.tensor([0.25] * 4 + [0.5] * 8 + [2.0] * 8)
    assert torch.equal(told, worth * by)


@pytest.mark.parametrize(
    ("before", "after", "left"),
    [
        ((0.1, 0.2, 0.3), (0.01, 0.02, 0.03), (0.1, 0.1, 0.1)),
        ((0.2, 0.4, 0.6), (0.02, 0.12, 0.32), (0.1, 0.5, 1.0)),
        ((0.2, 0.4, 0.6), (0.1, 0.12, 0.14), (7 / 30, 7 / 30, 7 / 30)),  # what falls off again is spread
        ((0.2, 0.4, 0.6), (-0.1, -0.1, -0.1), (LEAST, LEAST, LEAST)),
        ((-0.1, 0.1, 0.3), (0.0, 0.1, 0.3), (1.0, 1.0, 1.0)),
        ((-0.1, -0.2, -0.3), (0.0, 0.1, 0.3), (1.0, 1.0, 1.0)),  # nothing rises
        ((0.1, 0.05, 0.1), (0.1, 0.05, 0.2), (1.0, 1.0, 3.0)),
        ((0.01, 0.02, 0.03), (0.1, 0.4, 0.9), (4.0, 4.0, 4.0)),
    ],
)
def test_what_is_left_of_a_share_is_no_less_than_of_the_shares_before_it(before, after, left):
    assert between(before, after) == pytest.approx(left)


def test_what_bits_cost_is_tried_with_weights_that_are_trained_as_they_are_stored(scored):
    model, split, found, _, asked = scored
    before = {key: value.clone() for key, value in model.state_dict().items()}
    said: list[str] = []

    @contextlib.contextmanager
    def stage(name):
        yield said.append

    share = recovery_of_bits(model, split, found, asked, ("int8_rows", "int2_rotated_rows"), stage=stage)
    assert LEAST <= share <= 1
    assert "the loss rises by" in said[-1]
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    still = FitOptions(lr=1e-12, decay=0.0)
    assert recovery_of_bits(model, split, found, asked, ("int2_rotated_rows",), options=still) == pytest.approx(1.0)
    assert recovery_of_bits(model, split, found, asked, ()) == 1.0


def test_a_trial_is_made_on_sixteen_times_as_many_rows_as_the_loss_is_measured_on(scored, monkeypatch):
    model, split, found, scores, asked = scored
    seen: list[int] = []

    def carried(model, part, *given, **named):
        seen.append(len(part.train))
        return carry_out(model, part, *given, **named)

    monkeypatch.setattr("recprune.recipe.an_epoch.carry_out", carried)
    recovery(model, split, found, scores, asked, most=2)
    few = len(seen)
    recovery(model, split, found, scores, asked)
    kinds = len({found.site(name).kind for name in scores} - {Kind.FIELD})
    assert 1 + kinds <= few <= 1 + len(SHARES) * kinds
    assert seen == [32] * few + [len(split.train)] * (len(seen) - few)
    assert len(seen) - few >= kinds


def test_all_workers_go_by_what_the_first_tries(scored, monkeypatch):
    model, split, found, scores, _ = scored
    told: list[float] = []

    class First(Alone):
        def told(self, value):
            told.append(value())
            return told[-1]

    class Second(Alone):
        def told(self, value):
            return told.pop(0)

    given = model, split, found, scores
    by_first = recovery(*given, probe(model, found, split), workers=First())
    monkeypatch.setattr("recprune.recipe.an_epoch.carry_out", None)
    assert recovery(*given, probe(model, found, split), workers=Second()) == by_first
    assert not told


def test_items_that_left_are_asked_for_after_fine_tuning_too(monkeypatch):
    split = tiny_split(users=60, items=40)
    model = build("gru4rec", split, length=5, dim=8, hidden=8)
    fit(model, split, FitOptions(epochs=8, lr=0.01))
    found = survey(model, example(model, split))
    asked = probe(model, found, split)
    scores = score(followed(found, split), Usual(), asked)
    before = rise_without(model, found, {"sequence.id": np.arange(20)}, asked)
    assert before > 0
    shares = recovery(model, split, found, scores, asked, options=FitOptions(lr=1e-12, decay=0.0))
    assert shares[Kind.ID] == pytest.approx((1.0, 1.0, 1.0), abs=1e-3)


def test_what_an_epoch_does_for_any_model_is_no_merit_of_a_cut(scored):
    """A model that has hardly learned gains more by an epoch than it loses by a cut."""
    split = scored[1]
    model = build("deepfm", split, dim=8, hidden=[32])
    fit(model, split, FitOptions(epochs=1, lr=1e-4))
    found = survey(model, example(model, split))
    asked = probe(model, found, split)
    said: list[str] = []

    @contextlib.contextmanager
    def stage(name):
        yield said.append

    scores = score(followed(found, split), Taylor(), asked)
    recovery(model, split, found, scores, asked, options=ONE, stage=stage)
    whole = carry_out(model, replace(split, valid=split.valid.take(np.arange(0))), nothing(found), options=ONE)
    gained = asked.loss - asked.loss_of(whole.model)
    assert gained > 0.01
    assert all(float(words.rpartition(" ")[2]) > -gained / 2 for words in said)


def nothing(found):
    return Plan(found, {}, Budget(0.0))


def test_shares_at_which_the_same_units_leave_are_tried_once():
    split = tiny_split()
    model = build("sasrec", split, length=5, dim=8, heads=2)
    found = survey(model, example(model, split))
    scores = {site.name: torch.arange(float(site.size)) for site in found.sites if site.kind in (Kind.HEAD, Kind.DIM)}
    assert {found.site(name).size for name in scores if found.site(name).kind is Kind.HEAD} == {2}
    said: list[str] = []

    @contextlib.contextmanager
    def stage(name):
        said.append(name)
        yield lambda words: None

    recovery(model, split, found, scores, probe(model, found, split), options=ONE, stage=stage)
    assert [name for name in said if "head" in name] == ["try 50% of heads"]
    assert [name for name in said if "dim" in name] == [f"try {share:.0%} of dims" for share in SHARES]


def test_where_nothing_is_made_good_of_half_a_kind_no_larger_share_is_tried(scored):
    model, split, found, _, asked = scored
    dims = {site.name: torch.arange(float(site.size)) for site in found.sites if site.kind in (Kind.DIM, Kind.NEURON)}
    said: list[str] = []

    @contextlib.contextmanager
    def stage(name):
        said.append(name)
        yield lambda words: None

    told = recovery(model, split, found, dims, asked, options=FitOptions(lr=1e-12, decay=0.0), stage=stage)
    for kind in (Kind.DIM, Kind.NEURON):
        plan = Plan(
            found,
            {n: np.arange(len(w) // 2, len(w)) for n, w in dims.items() if found.site(n).kind is kind},
            Budget(0.0),
        )
        rises = rise_without(model, found, {n: plan.leaving(found.site(n)) for n in plan.kept}, asked) > 0
        assert (len([name for name in said if str(kind) in name]) == 1) == rises
        assert not rises or told[kind] == pytest.approx((1.0,) * len(SHARES), abs=0.19)  # running means move
