import msgspec
import pytest

from recprune.planning.budget import Budget, MaxDrop
from recprune.recipe.pruned import usual_budget
from recprune.studio.messages import Apply, Wish
from recprune.studio.refusals import Refused
from recprune.tracing.site import Kind


def test_a_wish_is_the_budget_that_the_command_line_makes_of_it():
    assert Wish("magnitude", factor=0.5).budget() == usual_budget(0.5)
    assert Wish("magnitude", bytes=2000).budget() == Budget(bytes=2000)
    assert Wish("magnitude", milliseconds=0.2, rows=5).budget() == Budget(milliseconds=0.2, rows=5)
    drop = MaxDrop("ndcg@20", 0.01)
    assert Wish("magnitude", max_drop=0.01, metric="ndcg@20").budget() == Budget(max_drop=drop, keep=0.5)
    assert Wish("magnitude", factor=0.5, kinds=["dim"]).budget().kinds == {Kind.DIM}


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        (Wish("magnitude"), "one_amount"),
        (Wish("magnitude", factor=0.5, bytes=2000), "one_amount"),
        (Wish("magnitude", milliseconds=0.5, max_drop=0.1), "one_amount"),
        (Wish("magnitude", factor=0.5, kinds=["finger"]), "no_kind"),
    ],
)
def test_a_wish_that_is_none_is_refused(wish, code):
    with pytest.raises(Refused) as refused:
        wish.budget()
    assert refused.value.code == code


@pytest.mark.parametrize(
    "body",
    [
        b'{"factor":0.5}',
        b'{"rule":"magnitude","factor":1.5}',
        b'{"rule":"magnitude","factor":-0.1}',
        b'{"rule":"magnitude","factor":"half"}',
        b'{"rule":"magnitude","bytes":0}',
        b'{"rule":"magnitude","bytes":1.5}',
        b'{"rule":"magnitude","milliseconds":0}',
        b'{"rule":"magnitude","milliseconds":1,"rows":0}',
        b'{"rule":"magnitude","milliseconds":1,"rows":1000000}',
        b'{"rule":"magnitude","max_drop":1}',
        b'{"rule":"magnitude","max_drop":-0.1}',
        b'{"rule":"magnitude","max_drop":0.1,"metric":7}',
        b'{"rule":"magnitude","factor":0.5,"epochs":-1}',
        b'{"rule":"magnitude","factor":0.5,"epochs":100000}',
        b'{"rule":"magnitude","factor":0.5,"path":"/etc"}',
    ],
)
def test_a_body_of_another_shape_is_not_read(body):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=Wish)


def test_whole_numbers_are_shares_too():
    assert msgspec.json.decode(b'{"rule":"magnitude","factor":0}', type=Wish).budget() == usual_budget(0.0)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", ".hidden", "a\x00", "a b", "-x", "ä", "a.", "x" * 65])
def test_a_name_leads_nowhere_but_into_its_folder(name):
    with pytest.raises(Refused) as refused:
        Apply("magnitude", factor=0.5, name=name).checked()
    assert refused.value.code == "bad_name"


def test_a_plain_name_is_taken():
    assert Apply("magnitude", factor=0.5, name="small-0.5_b").checked() == "small-0.5_b"
