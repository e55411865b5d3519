from dataclasses import replace

import numpy as np
import torch

from recprune.data.dataset import Split
from recprune.evaluation.inputs import example
from recprune.importance.rules.frequency import Frequency
from recprune.models.build import build
from recprune.recipe.probing import code_counts, probe
from recprune.testing import tiny_clicks, tiny_split
from recprune.tracing.trace import survey


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
    assert float(wanted.sum()) > 0
    assert float((shown[0] * wanted).sum()) == 0.0
