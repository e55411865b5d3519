from dataclasses import replace

import pytest

from recprune.data.dataset import Split
from recprune.recipe.prune import prune
from recprune.serving.refusals import Refusal
from recprune.studio.beside import Beside, some_users
from recprune.studio.refusals import Refused
from recprune.testing import tiny_split


@pytest.fixture(params=["lists", "clicks", "solved"])
def both(at_desk, request):
    desk = at_desk(request.param)
    small = prune(desk.whole.model, desk.split, 0.5, rule="magnitude", finetuned=False)
    return request.param, desk, Beside(desk.whole, small, desk.data)


def test_a_user_gets_two_lists_without_what_was_known_or_his_rows(both):
    name, desk, beside = both
    user = some_users(desk.data)[0]
    code = desk.data.vocabularies["user"].ids.index(user) + 1
    given = beside.of(user, 5)
    rows = desk.data.valid["user"] == code
    ids = desk.data.vocabularies["item"].ids
    if name == "clicks":
        assert given["rows"]["items"] == [ids[item - 1] for item in desk.data.valid["item"][rows]][:20]
        assert given["rows"]["truth"] == desk.data.valid["label"][rows].tolist()[:20]
        assert all(0 < p < 1 for side in ("before", "after") for p in given["rows"][side])
        return
    had = {ids[item - 1] for item in desk.data.train["item"][desk.data.train["user"] == code]}
    for side in given["lists"].values():
        assert len(side["items"]) == 5
        assert not had & set(side["items"])
    assert given["had"] == [ids[item - 1] for item in desk.data.valid["item"][rows]]


def test_the_large_model_lists_what_it_listed_before(at_desk, both):
    name, desk, beside = both
    user = some_users(desk.data)[-1]
    whole = Beside(desk.whole, prune(desk.whole.model, desk.split, 0.0, rule="magnitude", finetuned=False), desk.data)
    first, then = beside.of(user, 3), whole.of(user, 3)
    part = "rows" if name == "clicks" else "lists"
    assert first[part]["before"] == then[part]["before"] == then[part]["after"]


def test_who_is_not_there_is_refused(both):
    with pytest.raises(Refusal, match="unknown_user"):
        both[2].of("nobody", 5)


def test_rows_without_users_are_refused(at_desk):
    desk = at_desk("clicks")
    parts = [
        replace(part, columns={name: values for name, values in part.columns.items() if name != "user"})
        for part in (desk.data.train, desk.data.valid, desk.data.test)
    ]
    small = prune(desk.whole.model, desk.split, 0.5, rule="magnitude", finetuned=False)
    with pytest.raises(Refused, match="no_users"):
        Beside(desk.whole, small, Split(*parts)).of("u1", 5)
    assert some_users(Split(*parts)) == []


def test_some_users_are_spread_over_all_of_them():
    split = tiny_split()
    assert some_users(split, 3) == ["u1", "u12", "u24"]
    assert len(some_users(split, 1000)) == 24
