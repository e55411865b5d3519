"""A report is of a model and of what was made of it."""

from dataclasses import replace
from pathlib import Path

import pytest

import recprune
from recprune.data.vocabulary import Vocabulary
from recprune.errors import DataError
from recprune.recipe.shelf import Shelved
from recprune.report.related import check_related
from recprune.testing import tiny_mixed, tiny_split


def shelved(name: str, split: recprune.Split, **settings: object) -> Shelved:
    """A model as it came from a folder of its name."""
    return Shelved(Path(name), recprune.build(name, split, **settings), split.vocabularies, None, (), None)


def test_what_was_pruned_of_a_model_even_twice_and_what_was_trained_on_its_data_pass():
    split = tiny_split()
    whole = shelved("mf", split, dim=8)
    small = whole
    for _ in range(2):
        made = recprune.prune(small.model, small.own(split), 0.3, rule="random", finetuned=False)
        small = replace(small, model=made.model, vocabularies=made.vocabularies)
        check_related(whole, small)
    check_related(whole, shelved("ease", split))
    check_related(shelved("ease", split), whole)


def test_a_model_without_some_of_the_fields_and_ids_passes_and_the_other_way_round_is_refused():
    split = tiny_mixed()
    whole = shelved("deepfm", split)
    fewer = {name: Vocabulary(name, v.ids[:-2]) for name, v in whole.vocabularies.items()}
    model = recprune.build("deepfm", split)
    model.columns = whole.model.columns[:-1]
    small = replace(whole, folder=Path("small"), model=model, vocabularies=fewer)
    check_related(whole, small)
    with pytest.raises(DataError, match="deepfm was not made of small") as error:
        check_related(small, whole)
    assert f"it takes the fields {whole.model.columns[-1]!r} that the other does not take" in str(error.value)
    assert "it knows 2 ids of 'item' that the other does not know" in str(error.value)
    assert "recprune evaluate deepfm" in str(error.value)
    assert error.value.path == "deepfm"


def test_another_task_is_told():
    with pytest.raises(DataError, match="it scores rows and the other ranks all items of a user"):
        check_related(shelved("mf", tiny_mixed()), shelved("deepfm", tiny_mixed()))


def test_of_many_ids_that_are_foreign_some_are_shown():
    whole = shelved("mf", tiny_split())
    other = {"item": Vocabulary("item", ["zd", "za", "zc", "zb"])}
    with pytest.raises(DataError, match=r"4 ids of 'item' that the other does not know \('za', 'zb', 'zc', ...\)"):
        check_related(whole, replace(whole, vocabularies=other))
