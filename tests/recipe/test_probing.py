from dataclasses import replace

import numpy as np
import torch

from recprune.data.dataset import Split
from recprune.evaluation.inputs import example
from recprune.importance.rules.coherence import Coherence
from recprune.importance.rules.frequency import Frequency
from recprune.importance.rules.usual import Usual
from recprune.models.build import build
from recprune.recipe.probing import as_asked, code_counts, probe, rated
from recprune.testing import tiny_clicks, tiny_split
from recprune.tracing.trace import survey
from recprune.training import losses


def test_counts_are_of_train_and_begin_with_code_0():
    split = tiny_clicks()
    counts = code_counts(split)
    for column, vocabulary in split.vocabularies.items():
        assert len(counts[column]) == len(vocabulary)
        assert counts[column].tolist() == [int((split.train[column] == code).sum()) for code in range(len(vocabulary))]


def test_the_ids_of_a_sequence_occur_as_often_as_the_items_that_they_are():
    split = tiny_split()
    model = build("caser", split)
    found = survey(model, example(model, split))
    worth = Frequency()(found.site("sequence.id"), probe(model, found, split))
    np.testing.assert_array_equal(worth.numpy(), np.bincount(split.train["item"], minlength=17)[1:])


def test_without_validation_and_times_a_part_of_train_is_asked_for():
    split = tiny_split(users=30)
    train = replace(split.train, columns={n: v for n, v in split.train.columns.items() if n != "time"})
    model = build("fism", split, dim=4)
    blind = Split(train, train.take(np.arange(0)), split.test)
    found = survey(model, example(model, blind))
    one, other = (probe(model, found, blind, seed=seed) for seed in (0, 0))
    assert all(torch.equal(a[1], b[1]) for a, b in zip(one.batches, other.batches, strict=True))
    shown, wanted = one.batches[0]
    assert bool((wanted > 0).any())
    assert float((shown[0] * (wanted > 0)).sum()) == 0.0


def remembering():
    """A model that knows who had what, and its split with and without a validation part."""
    split = tiny_split(users=40)
    model = build("mixture", split, dim=4, memory="users")
    model.start_(split.train.histories())
    return model.eval(), split, replace(split, valid=split.valid.take(np.arange(0)))


def test_what_is_asked_for_is_not_remembered():
    model, split, blind = remembering()
    assert as_asked(model, split) is model
    there = as_asked(model, blind)
    batches = probe(there, survey(model, example(model, blind)), blind).batches
    shown = [tuple(row.nonzero().flatten().tolist()) for (history,), _ in batches for row in history]
    held = there.items.dense() > 0
    assert sorted(shown) == sorted(tuple(row.nonzero().flatten().tolist()) for row in held if row.any())
    assert all(float((history * (wanted > 0)).sum()) == 0.0 for (history,), wanted in batches)
    assert all(bool((wanted > 0).any()) for _, wanted in batches)
    assert len(there.items.values) == len(model.items.values) > int(there.items.values.sum())


def test_entries_are_rated_with_all_in_their_place():
    model, split, blind = remembering()
    found = survey(model, example(model, split))
    asked = probe(as_asked(model, blind), found, blind)
    scores = rated(model, found, Usual(), asked, blind)
    assert list(scores) == [site.name for site in found.sites]
    site = found.site("items.entry")
    assert torch.equal(scores[site.name], Coherence()(site, probe(model, found, split)))
    assert not torch.equal(scores[site.name], Coherence()(site, asked))


def test_models_that_rank_are_rated_by_a_loss_that_stays_finite_where_items_leave():
    split = tiny_split()
    for name in ("gru4rec", "caser"):
        model = build(name, split, length=4, dim=4)
        assert probe(model, survey(model, example(model, split)), split).criterion is losses.generalized_multinomial


def test_what_a_user_had_is_no_candidate_unless_things_come_again():
    split = tiny_split()
    model = build("caser", split, length=4, dim=4)
    found, had = survey(model, example(model, split)), split.train.histories().matrix(unknown=False)
    again = split.valid.histories().matrix(unknown=False).multiply(had).nnz
    targets = torch.cat([target for _, target in probe(model, found, split).batches])
    assert not again
    assert (targets < 0).sum(1).min() > 0
    twice = Split(split.train, split.train, split.test)
    assert all((target >= 0).all() for _, target in probe(model, found, twice).batches)
