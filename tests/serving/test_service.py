from dataclasses import replace

import numpy as np
import pytest

from recprune.artifact import save
from recprune.evaluation.ranking import rank
from recprune.models.build import build
from recprune.planning.budget import Budget
from recprune.recipe.prune import prune
from recprune.recipe.served import service_of
from recprune.recipe.shelf import take
from recprune.serving.refusals import Refusal
from recprune.surgery import renumber
from recprune.tracing.site import Kind


def service(shop, name, split, **options):
    return service_of(take(shop / name), split, **options)


def had(split, user):
    """What a user had, in any part."""
    code = split.vocabularies["user"].encode([user])[0]
    return {f"i{i}" for part in (split.train, split.valid, split.test) for i in part["item"][part["user"] == code]}


def refused(call, *arguments):
    with pytest.raises(Refusal) as caught:
        call(*arguments)
    return caught.value.code


@pytest.mark.parametrize("name", ["ease", "mf"])
def test_a_list_is_that_of_the_evaluation(shop, split, name):
    asked = service(shop, name, split, known="train")
    histories = split.train.histories()
    for code in (1, 7, 24):
        want = rank(take(shop / name).model, histories, np.array([code]), 5)[0]
        given = asked.by_user(f"u{code}", 5)
        assert given.items == [f"i{item}" for item in want]
        assert given.scores == sorted(given.scores, reverse=True)


def test_one_user_and_many_get_the_same_lists(shop, split):
    asked = service(shop, "ease", split)
    known, rows = asked.known, np.arange(1, 25)
    items, scores = asked.recommender.many(rows, known.histories, known.codes, 6, False)
    for row, some, numbers in zip(rows, items, scores, strict=True):
        given = asked.by_user(f"u{row}", 6)
        assert given.items == [f"i{item}" for item in some]
        assert given.scores == pytest.approx(numbers.tolist(), rel=1e-5)


def test_what_a_user_had_and_what_is_excluded_is_not_listed(shop, split):
    asked = service(shop, "ease", split)
    first = asked.by_user("u1", 17).items
    assert not set(first) & had(split, "u1")
    again = asked.by_user("u1", 17, [first[0], "no such item"]).items
    assert again == first[1:]


def test_a_history_gives_what_a_user_with_it_gets(shop, split):
    asked = service(shop, "ease", split)
    items = split.vocabularies["item"].decode(asked.known.histories.items[asked.known.histories.starts[4] :][:7])
    assert asked.by_history(items, 5) == asked.by_user("u4", 5)


def test_a_model_of_users_falls_back_for_a_history(shop, split):
    given = service(shop, "mf", split).by_history(["i1"], 3)
    assert given.fallback
    assert "i1" not in given.items


def test_the_fall_back_is_what_most_users_had(shop, split):
    given = service(shop, "ease", split).by_user("u25", 17)
    assert given.fallback
    assert given.scores == sorted(given.scores, reverse=True)
    counts = np.bincount(np.concatenate([p["item"] for p in (split.train, split.valid, split.test)]), minlength=18)
    assert given.scores == [counts[int(item[1:])] for item in given.items]
    assert "i17" not in given.items, "nobody had it"


def test_nobody_is_told_of_items_that_left(shop, split):
    asked = service(shop, "small", split)
    assert {"i1", "i5"}.isdisjoint(asked.by_user("u1", 15).items)
    assert asked.by_history(["i1"], 15).left == 1
    assert asked.by_user("u3", 15).left >= 1, "the user has left too, and is answered as the unknown one"


def test_strangers_are_refused(shop, split):
    asked = service(shop, "ease", split)
    assert refused(asked.by_user, "nobody", 3) == "unknown_user"
    assert refused(asked.by_history, ["i1", "nothing"], 3) == "unknown_item"


def test_without_data_a_model_of_users_lists_and_falls_back_on_nothing(shop):
    asked = service(shop, "mf", None)
    assert len(asked.by_user("u1", 4).items) == 4
    assert refused(asked.by_user, "nobody", 3) == "unknown_user"
    assert refused(asked.by_history, ["i1"], 3) == "no_history"
    assert refused(service(shop, "ease", None).by_user, "u1", 3) == "unknown_user"
    assert not service(shop, "ease", None).by_history(["i1"], 3).fallback


def test_a_user_of_whom_the_model_has_no_row_falls_back_unless_users_left_by_pruning(shop, split):
    asked = service(shop, "mf", split)
    codes = asked.known.codes.copy()
    codes[3] = 0
    known = replace(asked.known, codes=codes)
    new, left = (replace(asked, known=known, shared=shared) for shared in (False, True))
    assert not asked.shared
    assert not asked.by_user("u3", 5).fallback
    given = new.by_user("u3", 5)
    assert (given.fallback, given.left) == (True, 0)
    assert not set(given.items) & had(split, "u3")
    given = left.by_user("u3", 5)
    assert (given.fallback, given.left) == (False, 1)
    assert new.by_user("u4", 5) == asked.by_user("u4", 5)


def test_users_that_left_by_a_plan_share_a_row(shop, split, tmp_path):
    budget = Budget(0.3, kinds={Kind.ID})
    small = prune(build("mf", split, dim=4), split, budget=budget, finetuned=False)
    save(tmp_path / "pruned", small.model, vocabularies=small.vocabularies, plan=small.plan)
    assert service_of(take(tmp_path / "pruned"), split).shared == ("user" in renumber(small.plan))
    assert "user" in renumber(small.plan)
