from dataclasses import replace

import pytest

from recprune.evaluation.speed import Speed
from recprune.planning.budget import Budget, MaxDrop
from recprune.report.sections.asked import asked, met, sentence, title


@pytest.fixture
def found(lists_run, found_in):
    return found_in(lists_run, users=0)


def asking(found, budget):
    return replace(found, plan=replace(found.plan, budget=budget))


def test_a_share_that_left_is_met(found):
    assert met(found)[1] is True
    assert sentence(found).startswith("Met: 50.0")
    assert title(found).startswith("mf, ")


def test_a_share_that_did_not_leave_is_not_met(found):
    assert sentence(asking(found, Budget(0.99))).startswith("Not met: 99.0")


def test_bytes_are_those_of_the_weights_file(found):
    size = found.said["small"]["bytes_of"]["weights"]
    assert met(asking(found, Budget(bytes=size)))[1] is True
    told, holds = met(asking(found, Budget(bytes=size - 1)))
    assert holds is False
    assert f"{size:,}" in told


def test_milliseconds_are_those_that_were_measured(found):
    speed = Speed(0.25, 0.2, 0.3, 1, 1, "cpu", (0.25,))
    comparison = replace(
        found.comparison,
        sides={name: replace(side, request=speed) for name, side in found.comparison.sides.items()},
    )
    timed = replace(found, comparison=comparison)
    assert met(asking(timed, Budget(milliseconds=0.25)))[1] is True
    assert met(asking(timed, Budget(milliseconds=0.2)))[1] is False
    assert met(asking(timed, Budget(milliseconds=0.25, rows=7)))[1] is None


def test_a_loss_that_was_allowed_is_looked_up_on_test(found):
    metric = found.comparison.headline
    sides = dict(found.comparison.sides)
    for side, value in (("before", 0.5), ("after", 0.45)):
        sides[side] = replace(sides[side], metrics={**sides[side].metrics, metric: value})
    lost = replace(found, comparison=replace(found.comparison, sides=sides))
    told, holds = met(asking(lost, Budget(max_drop=MaxDrop(metric, 0.2))))
    assert holds is True
    assert "on test it lost 10.0" in told
    assert met(asking(lost, Budget(max_drop=MaxDrop(metric, 0.05))))[1] is False
    assert met(asking(lost, Budget(max_drop=MaxDrop("auc", 0.05))))[1] is None


def test_what_is_not_known_is_said_and_not_made_up(found):
    bare = replace(found, plan=None, no_plan="the folder is bare", comparison=None)
    assert sentence(bare) == "What was asked is not known, for the folder is bare."
    tiles, missing = asked(bare).blocks
    assert [tile.name for tile in tiles.tiles] == ["bytes", "parameters"]
    assert missing.how.startswith("recprune compare ")


def test_a_slower_model_is_not_praised(found):
    slow = Speed(2.0, 1.9, 2.1, 1, 1, "cpu", (2.0, 2.0))
    fast = replace(slow, median=1.0, samples=(1.0, 1.0))
    sides = {"before": replace(found.comparison.before, request=fast)}
    sides["after"] = replace(found.comparison.after, request=slow)
    tiles = asked(replace(found, comparison=replace(found.comparison, sides=sides))).blocks[0].tiles
    assert (tiles[2].note.replace("\N{NO-BREAK SPACE}", " "), tiles[2].tone) == ("0.50 × as fast", "bad")
