import os
from dataclasses import asdict

import pytest

from recprune.data.dataset import Split
from recprune.data.store import save_split
from recprune.errors import BudgetError, DataError, ExtensionError
from recprune.recipe.prune import plan
from recprune.recipe.pruned import carry_out
from recprune.recipe.shelf import take
from recprune.recipe.verify import verify
from recprune.studio import desk as desk_module
from recprune.studio.desk import desk_of
from recprune.studio.measured import tuning_of
from recprune.studio.messages import Apply, Wish
from recprune.studio.refusals import Refused
from recprune.testing import tiny_split


def asked(desk, done, **wish):
    """A wish whose rule was asked."""
    made = Apply(desk.rule, **wish)
    assert done(desk.ask(made), desk)["state"] == "done", desk.line.last.error
    return made


def code_of(refused):
    return refused.value.code


def test_a_rule_is_asked_once_and_then_every_budget_has_its_plan(at_desk, done):
    desk = at_desk("lists")
    assert desk.plan(Wish(desk.rule, factor=0.5)) == {"state": "not_scored"}
    with pytest.raises(Refused) as refused:
        desk.measure(Wish(desk.rule, factor=0.5))
    assert code_of(refused) == "not_scored"
    asked(desk, done, factor=0.5)
    shares = [desk.plan(Wish(desk.rule, factor=factor))["share"] for factor in (0.2, 0.4, 0.6)]
    assert shares == sorted(shares)
    assert shares[0] >= 0.2
    estimate = desk.plan(Wish(desk.rule, factor=0.0))["estimate"]
    assert estimate["rise"] == 0
    assert estimate["loss"] > 0
    assert estimate["cases"].endswith(" users")


def test_bytes_with_bits_need_them_measured_once(at_desk, done):
    desk = at_desk("clicks")
    asked(desk, done, factor=0.5)
    assert desk.plan(Wish(desk.rule, bytes=40_000)) == {"state": "not_scored"}
    assert desk.plan(Wish(desk.rule, bytes=40_000, bits=False))["bytes"][1] <= 40_000
    asked(desk, done, bytes=40_000)
    assert desk.plan(Wish(desk.rule, bytes=40_000))["bytes"][1] <= 40_000
    assert "cannot be met: at least" in desk.plan(Wish(desk.rule, bytes=10))["message"]
    with pytest.raises(BudgetError, match="at least"):
        desk.measure(Wish(desk.rule, bytes=10))


def test_what_is_not_there_is_refused_before_anything_begins(at_desk):
    desk = at_desk("lists")
    for wish in (
        Wish("nothing", factor=0.5),
        Wish("os:system", factor=0.5),
        Wish("recprune.errors:DataError", bytes=9),
    ):
        with pytest.raises(Refused) as refused:
            desk.ask(wish)
        assert code_of(refused) == "no_rule"
    with pytest.raises(Refused) as refused:
        desk.lists("u1")
    assert code_of(refused) == "not_measured"
    assert desk.line.last is None


def test_a_measurement_holds_both_models_and_is_repeated_by_applying(at_desk, done, tmp_path):
    desk = at_desk("lists")
    wish = asked(desk, done, factor=0.4, epochs=1, name="small")
    said = done(desk.measure(wish), desk)
    assert said["state"] == "done", said["error"]
    found = said["result"]
    assert found["plan"] == desk.plan(wish)["plan"]
    assert found["after"]["parameters"] < found["before"]["parameters"]
    assert found["part"] == "valid"
    last = desk.last
    applied = done(desk.apply(wish), desk)["result"]
    assert desk.last is last, "what was measured is what is written"
    small = take(tmp_path / "small")
    assert applied["folder"] == str(tmp_path / "small")
    assert [work.what for work in small.works] == ["finetune"]
    assert small.works[0].fit_options() == tuning_of(desk.whole.model, desk.split, 1, 0)
    for name, value in last.pruned.model.state_dict().items():
        assert value.equal(small.model.state_dict()[name])
    assert small.plan == last.pruned.plan


def test_what_is_applied_is_what_the_recipe_makes_of_the_plan(at_desk, done, tmp_path, workshop):
    desk = at_desk("solved")
    wish = asked(desk, done, factor=0.5, name="small")
    assert done(desk.apply(wish), desk)["state"] == "done"
    chosen = plan(desk.whole.model, desk.split, 0.5)
    wanted = carry_out(desk.whole.model, desk.split, chosen, finetuned=False).model.state_dict()
    small = take(tmp_path / "small")
    assert all(value.equal(wanted[name]) for name, value in small.model.state_dict().items())
    assert small.works == ()
    found = verify(tmp_path / "small", workshop / "solved" / "big", workshop / "solved" / "prepared")
    assert found.holds
    assert asdict(small.proof)["cut"]["same"] > 0


def test_nothing_that_stands_is_replaced(at_desk, done, tmp_path):
    desk = at_desk("lists")
    wish = asked(desk, done, factor=0.4, name="there")
    (tmp_path / "there").mkdir()
    with pytest.raises(Refused) as refused:
        desk.apply(wish)
    assert code_of(refused) == "taken"
    (tmp_path / "there").rmdir()
    os.symlink(tmp_path / "nowhere", tmp_path / "there")
    with pytest.raises(Refused) as refused:
        desk.apply(wish)
    assert code_of(refused) == "taken"


def test_a_job_that_is_cancelled_writes_nothing_and_the_next_one_can_begin(at_desk, done, tmp_path):
    desk = at_desk("clicks")
    wish = asked(desk, done, factor=0.4, epochs=1000, name="small")
    job = desk.apply(wish)
    with pytest.raises(Refused) as refused:
        desk.measure(Wish(desk.rule, factor=0.4))
    assert code_of(refused) == "busy"
    desk.line.stop()
    assert done(job, desk)["state"] == "stopped"
    assert not list(tmp_path.iterdir())
    assert desk.last is None
    assert done(desk.measure(Wish(desk.rule, factor=0.4)), desk)["state"] == "done"


def test_a_desk_says_what_it_has(at_desk, workshop):
    said = at_desk("clicks", rule="magnitude").about()
    assert (said["task"], said["rule"], said["solved"], said["made"]) == ("clicks", "magnitude", False, False)
    assert set(said["kinds"]) == {"field", "id", "dim", "neuron"}
    assert {"name": "magnitude", "words": "Keep what is large: the plainest rule, and hard to beat."} in said["rules"]
    assert said["folder"] == str(workshop / "clicks" / "big")
    assert at_desk("solved").about()["solved"]


def test_a_folder_or_a_rule_that_does_not_go_is_refused_at_the_start(workshop, tmp_path):
    data, model = workshop / "lists" / "prepared", workshop / "lists" / "big"
    with pytest.raises(DataError, match="--out"):
        desk_of(data, model, out=tmp_path / "nothing")
    split = tiny_split()
    save_split(Split(split.train, split.valid.take([]), split.test), tmp_path / "prepared")
    with pytest.raises(DataError, match="--valid-share"):
        desk_of(tmp_path / "prepared", model)
    with pytest.raises(ExtensionError, match="magnitud"):
        desk_of(data, model, rule="magnitud")


def sought(desk, done, **wish):
    """A wish whose plan was found."""
    made = asked(desk, done, **wish)
    said = done(desk.seek(made), desk)
    assert said["state"] == "done", said["error"]
    return made


def test_milliseconds_lie_between_what_was_timed_and_their_plan_is_found_once(at_desk, done, monkeypatch):
    desk = at_desk("clicks")
    assert desk.plan(Wish(desk.rule, milliseconds=1.0)) == {"state": "not_scored"}
    wish = asked(desk, done, milliseconds=1.0)
    ends = desk.plan(wish)["ends"]
    assert ends["now"] > 0
    assert ends["least"] > 0
    assert desk.plan(Wish(desk.rule, milliseconds=2.0))["ends"] is ends, "asked of the same model"
    assert desk.plan(Wish(desk.rule, milliseconds=2.0, rows=5)) == {"state": "not_scored"}
    with pytest.raises(Refused) as refused:
        desk.measure(wish)
    assert code_of(refused) == "not_sought"

    timed_by_shares(monkeypatch)
    wish = sought(desk, done, milliseconds=0.5, name="fast")
    said = desk.plan(wish)
    assert said["goal"]["name"] == "milliseconds"
    assert said["goal"]["after"] <= 0.5 < said["goal"]["before"]
    assert said["amount"] == "0.5 ms for 1 row(s)"
    assert said["share"] > 0
    assert said["estimate"]["loss"] > 0
    found = done(desk.measure(wish), desk)["result"]
    assert (found["plan"], set(found["times"])) == (said["plan"], {"asked", "request", "many"})
    assert done(desk.apply(wish), desk)["state"] == "done"
    assert take(desk.out / "fast").plan.budget.milliseconds == 0.5


def timed_by_shares(monkeypatch):
    """A clock by which a call takes 0.1 ms, and up to 0.9 ms more by the share of the parameters that is left."""

    def milliseconds(model, split, budget, plan):
        return 1.0 if plan is None else 1 - 0.9 * plan.account().share_removed

    monkeypatch.setattr("recprune.recipe.meet._milliseconds", milliseconds)


def test_milliseconds_that_nothing_reaches_are_refused_in_one_sentence_from_then_on(at_desk, done, monkeypatch):
    desk = at_desk("clicks")
    timed_by_shares(monkeypatch)
    wish = asked(desk, done, milliseconds=0.001)
    said = done(desk.seek(wish), desk)
    assert said["state"] == "failed"
    assert "0.001 ms for 1 row(s) cannot be met here: the smallest plan takes" in said["error"]
    assert desk.plan(wish)["state"] == "refused"
    assert desk.plan(wish)["message"] == said["error"]
    with pytest.raises(BudgetError, match="cannot be met here"):
        desk.apply(Apply(desk.rule, milliseconds=0.001, name="small"))


@pytest.mark.parametrize("name", ["lists", "clicks", "solved"])
def test_what_may_be_lost_is_found_trained_and_written_as_it_was_found(at_desk, done, workshop, name):
    desk = at_desk(name)
    wish = asked(desk, done, max_drop=0.19)
    ends = desk.plan(wish)["ends"]["metrics"]
    assert ends[0]["name"] == ("auc" if name == "clicks" else "ndcg@20")
    assert all(0 < one["most"] <= 0.2 for one in ends)
    wish = sought(desk, done, max_drop=0.5, epochs=8, name="small")
    said = desk.plan(wish)
    goal = said["goal"]
    assert goal["before"] == ends[0]["value"]
    assert goal["after"] >= 0.5 * goal["before"]
    assert said["amount"] == f"{goal['name']} at most 0.5 of it lower"
    assert desk.plan(Wish(desk.rule, max_drop=0.5, epochs=9))["state"] == "not_sought"
    found = done(desk.measure(wish), desk)["result"]
    assert found["after"]["metrics"][goal["name"]] == goal["after"]
    assert found["plan"] == said["plan"]
    last = desk.last
    assert done(desk.apply(wish), desk)["state"] == "done"
    assert desk.last is last
    small = take(desk.out / "small")
    for key, value in last.pruned.model.state_dict().items():
        assert value.equal(small.model.state_dict()[key])
    assert verify(desk.out / "small", workshop / name / "big", workshop / name / "prepared").holds


def test_a_loss_that_cannot_be_held_and_a_metric_that_there_is_not_are_refused(at_desk, done, monkeypatch):
    desk = at_desk("lists")
    wish = asked(desk, done, max_drop=0.1)
    with pytest.raises(Refused) as refused:
        desk.plan(Wish(desk.rule, max_drop=0.1, metric="auc"))
    assert code_of(refused) == "no_metric"
    monkeypatch.setattr("recprune.recipe.meet.share_lost", lambda *_: 0.9)
    said = done(desk.seek(wish), desk)
    assert "cannot be met: with 30% of the parameters removed it is already 0.9 of it lower" in said["error"]
    assert desk.plan(wish)["message"] == said["error"]


def test_what_needs_no_search_is_not_sought(at_desk, done):
    desk = at_desk("lists")
    wish = asked(desk, done, factor=0.5)
    with pytest.raises(Refused) as refused:
        desk.seek(wish)
    assert code_of(refused) == "not_needed"


def test_a_search_that_is_cancelled_leaves_nothing_found(at_desk, done):
    desk = at_desk("clicks")
    wish = asked(desk, done, max_drop=0.1, epochs=1000)
    job = desk.seek(wish)
    desk.line.stop()
    assert done(job, desk)["state"] == "stopped"
    assert desk.plan(wish)["state"] == "not_sought"


def test_lists_are_those_of_the_model_that_was_made_last_however_long_they_take(at_desk, done, monkeypatch):
    desk = at_desk("lists")
    asked(desk, done, factor=0.4, epochs=1)
    assert done(desk.measure(asked(desk, done, factor=0.2, epochs=1)), desk)["state"] == "done"
    first = desk.last
    real, made = desk_module.Beside, []

    def slow(whole, small, data):
        made.append(small)
        if len(made) == 1:  # meanwhile another is measured
            assert done(desk.measure(asked(desk, done, factor=0.6, epochs=1)), desk)["state"] == "done"
        return real(whole, small, data)

    monkeypatch.setattr(desk_module, "Beside", slow)
    desk.lists("u1")
    desk.lists("u1")
    desk.lists("u1")
    assert made == [first.pruned, desk.last.pruned]
