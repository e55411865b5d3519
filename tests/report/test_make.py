import json
from dataclasses import replace

from recprune.report import report
from recprune.report.blocks import Missing
from recprune.report.make import for_people

NAMES = ["asked", "numbers", "frontier", "runtimes", "fields", "bytes", "units", "losers", "lists", "whole", "proof"]
NAMES += ["again"]


def walk(value):
    yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(one)


def test_the_sections_stand_in_their_order(lists_run, clicks_run, found_in):
    for run in (lists_run, clicks_run):
        assert [section.name for section in report(found_in(run)).sections] == NAMES


def test_the_json_twin_holds_every_block_with_its_numbers(lists_run, found_in):
    found = found_in(lists_run)
    made = json.loads(report(found).to_json())
    assert made["format"] == 1
    blocks = [value["block"] for value in walk(made) if isinstance(value, dict) and "block" in value]
    assert {"tiles", "table", "chart", "dot", "panel", "bars", "ranges", "lists", "code", "words"} <= set(blocks)
    tiles = next(value for value in walk(made) if isinstance(value, dict) and value.get("block") == "tiles")
    assert tiles["tiles"][0]["after"]["number"] == found.comparison.after.bytes
    assert tiles["tiles"][3]["after"]["number"] == found.comparison.after.metrics["ndcg@20"]


def test_a_number_that_is_not_finite_is_null(lists_run, found_in):
    found = found_in(lists_run)
    metrics = {**found.comparison.before.metrics, "ndcg@20": float("nan")}
    sides = {**found.comparison.sides, "before": replace(found.comparison.before, metrics=metrics)}
    made = report(replace(found, comparison=replace(found.comparison, sides=sides))).to_json()
    assert "NaN" not in made.replace('"', "")
    json.loads(made)


def test_the_same_folders_give_the_same_report(lists_run, found_in):
    assert report(found_in(lists_run)).to_json() == report(found_in(lists_run)).to_json()


def test_what_nothing_is_known_of_stands_together_at_the_end(lists_run, found_in):
    made = report(found_in(lists_run))
    shown = for_people(made)
    assert shown[-1].name == "missing"
    assert {"runtimes", "fields"}.isdisjoint({section.name for section in shown})
    assert all(isinstance(block, Missing) for block in shown[-1].blocks)
    blocks = [block for section in made.sections for block in section.blocks]
    assert sorted(map(id, blocks)) == sorted(id(block) for section in shown for block in section.blocks)


def test_a_report_that_lacks_nothing_has_no_such_section(lists_run, found_in):
    made = report(found_in(lists_run))
    full = replace(made, sections=made.sections[:3])
    assert for_people(full) == full.sections
