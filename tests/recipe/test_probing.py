import numpy as np

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
