"""What the sections hold, from real small runs; each is one test or two, by the name of its file."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from recprune.artifact.speeds import Speeds, Took
from recprune.report import report
from recprune.report.blocks import Bars, Chart, Lists, Missing, Panel, Ranges, Table, Words


def section(found, name):
    return next(one for one in report(found).sections if one.name == name).blocks


def kinds(blocks, kind):
    return [block for block in blocks if isinstance(block, kind)]


@pytest.fixture(scope="module")
def ranking(lists_run, found_in):
    return found_in(lists_run)


@pytest.fixture(scope="module")
def clicks(clicks_run, found_in):
    return found_in(clicks_run)


def test_numbers_hold_every_metric_with_its_interval(ranking):
    models, rivals, formulas = kinds(section(ranking, "numbers"), Table)
    row = next(row for row in models.rows if row[0] == "recall@20")
    one = ranking.comparison.difference("recall@20")
    assert (row[3].number, row[3].low, row[3].high) == (one.value, one.low, one.high)
    assert [row[0] for row in rivals.rows[2:]] == list(ranking.comparison.rivals)
    assert {name for name, _ in formulas.rows} == set(ranking.comparison.formulas)


def test_numbers_tell_what_a_request_takes_by_the_runtime_that_serves_each_model(ranking):
    def record(median):
        slow, fast = Took(9 * median, 8 * median, 10 * median), Took(median, median, median)
        return Speeds("0" * 64, "here", {1: {"eager": slow, "kernels": fast}}, {1: "kernels"})

    served = replace(
        ranking,
        whole=replace(ranking.whole, speeds=record(0.6)),
        small=replace(ranking.small, speeds=record(0.2)),
    )
    row = next(row for row in kinds(section(served, "numbers"), Table)[0].rows if "as served" in row[0])
    assert [cell.number for cell in row[1:4]] == pytest.approx([0.6, 0.2, 3.0])
    assert row[4] == "as fast; kernels, then kernels"
    elsewhere = replace(served, small=replace(ranking.small, speeds=replace(record(0.2), machine="there")))
    rows = kinds(section(elsewhere, "numbers"), Table)[0].rows
    assert not any("as served" in row[0] for row in rows)


def test_rivals_that_were_not_trained_say_how_to_get_them(clicks):
    missing = kinds(section(clicks, "numbers"), Missing)
    assert {one.what for one in missing} == {f"The rival {name}" for name in clicks.comparison.without}
    assert all("--rivals" in one.how for one in missing if one.why == "it was not asked for")


def test_the_frontier_and_the_rivals_stand_in_one_chart_beside_their_own_large_model(ranking):
    blocks = section(ranking, "frontier")
    charts = kinds(blocks, Chart)
    assert [chart.log for chart in charts] == [True, False]
    for chart in charts:
        assert {dot.kind for dot in chart.dots} == {"before", "after", "rival", "stop"}
        assert len([dot for dot in chart.dots if dot.kind == "stop"]) == len(ranking.frontier.points)
        for dot in chart.dots:
            if dot.kind == "before" or dot.panel == "stop-0":
                assert dot.y.number == 1.0
        assert {dot.panel for dot in chart.dots} == {panel.key for panel in kinds(blocks, Panel)}
    after = next(dot for dot in charts[0].dots if dot.kind == "after")
    metric = ranking.comparison.headline
    assert after.y.number == pytest.approx(
        ranking.comparison.after.metrics[metric] / ranking.comparison.before.metrics[metric]
    )


def test_no_point_on_the_line_is_beaten(ranking):
    for chart in kinds(section(ranking, "frontier"), Chart):
        stops = [dot for dot in chart.dots if dot.kind == "stop"]
        for dot in (dot for dot in stops if dot.line):
            assert not any(o.y.number > dot.y.number and o.x.number <= dot.x.number for o in stops)


def test_a_stop_without_its_plan_says_how_to_keep_it(ranking):
    panels = kinds(section(replace(ranking, stops={}), "frontier"), Panel)
    missing = [block for panel in panels if panel.key.startswith("stop") for block in kinds(panel.blocks, Missing)]
    assert missing
    assert all("--steps" in one.how for one in missing)


def test_without_a_frontier_the_two_models_are_drawn_and_a_line_says_how_to_get_one(clicks):
    blocks = section(clicks, "frontier")
    assert {"before", "after"} <= {dot.kind for dot in kinds(blocks, Chart)[0].dots}
    assert kinds(blocks, Missing)[0].how.startswith("recprune frontier ")


def test_without_a_comparison_a_frontier_is_drawn_alone(ranking):
    blocks = section(replace(ranking, comparison=None), "frontier")
    assert {dot.kind for dot in kinds(blocks, Chart)[0].dots} == {"stop"}


def test_runtimes_are_told_where_they_were_timed(ranking):
    missing = kinds(section(ranking, "runtimes"), Missing)
    assert [one.how.split()[:2] for one in missing] == [["recprune", "bench"]] * 2
    took = {8: {"eager": Took(0.4, 0.3, 0.5), "kernels": Took(0.1, 0.1, 0.2)}}
    timed = replace(ranking.small, speeds=Speeds("0" * 64, "2 cores", took, {8: "kernels"}))
    (table,) = kinds(section(replace(ranking, small=timed), "runtimes"), Table)
    assert [(row[1], row[3].number, row[4]) for row in table.rows] == [("eager", 1.0, ""), ("kernels", 4.0, "✓")]
    assert table.strong == (1,)


def test_fields_have_their_rise_before_and_after(clicks):
    (drawn,) = kinds(section(clicks, "fields"), Ranges)
    rows = {row.name.removesuffix(" (left)"): row for row in drawn.rows}
    assert set(rows) == set(clicks.whole.model.columns)
    for name, row in rows.items():
        mean, error = clicks.fields["before"].of(name)
        assert row.first.number == mean
        assert row.first.high - row.first.low == pytest.approx(2 * 1.959964 * error)
        assert (row.second.number is None) is (name not in clicks.small.model.columns)


def test_a_model_without_fields_says_so(ranking):
    (missing,) = section(ranking, "fields")
    assert "takes no fields" in missing.why


def test_bytes_add_up(ranking, clicks):
    for found in (ranking, clicks):
        blocks = section(found, "bytes")
        (drawn,) = kinds(blocks, Bars)
        assert sum(row.before.number for row in drawn.rows) == found.comparison.before.bytes
        assert sum(row.after.number for row in drawn.rows) == found.comparison.after.bytes
        tensors, files = kinds(blocks, Table)
        assert len(tensors.rows) == len(found.plan.survey.shapes)
        assert files.rows[-1][2].number == sum(found.said["small"]["bytes_of"].values())


def test_units_say_by_which_rule_and_which_ids_left(ranking):
    blocks = section(ranking, "units")
    words = " ".join(block.text for block in kinds(blocks, Words))
    assert ranking.plan.rule.rpartition(":")[2] in words
    site = next(site for site in ranking.plan.survey.sites if site.column == "user")
    gone = ranking.plan.leaving(site)
    vocabulary = ranking.whole.vocabularies["user"]
    assert f"{len(gone):,} of {len(vocabulary.ids):,} ids of user left" in words
    named = kinds(blocks, Table)[-1]
    assert {row[0] for row in named.rows} <= set(vocabulary.decode((gone + 1).tolist()))
    counts = dict(zip(vocabulary.ids, np.bincount(ranking.split.train["user"], minlength=81)[1:], strict=True))
    assert all(row[1].number == counts[row[0]] for row in named.rows)


def test_a_rule_of_somebody_else_is_named_and_not_imported(ranking):
    plan = replace(ranking.plan, rule="no.such.package:Rule()")
    words = kinds(section(replace(ranking, plan=plan), "units"), Words)[0].text
    assert words.startswith("Units were rated by Rule().")


def test_losers_are_told_by_group_with_intervals(ranking, clicks):
    (drawn,) = kinds(section(ranking, "losers"), Ranges)
    per_case = ranking.judged.after.per_case["ndcg@20"] - ranking.judged.before.per_case["ndcg@20"]
    quarters = [row for row in drawn.rows if "known" in row.name]
    sizes = [int(row.name.rpartition("(")[2].rstrip(")")) for row in quarters]
    mean = sum(n * row.first.number for n, row in zip(sizes, quarters, strict=True)) / sum(sizes)
    assert mean == pytest.approx(per_case.mean())
    assert all(row.first.low <= row.first.number <= row.first.high for row in drawn.rows)
    (rows,) = kinds(section(clicks, "losers"), Ranges)
    assert "logloss" in rows.caption


def test_lists_are_those_that_the_models_give(ranking):
    blocks = section(ranking, "lists")
    shown = kinds(blocks, Lists)
    assert len(shown) == 6
    ids, users = ranking.split.vocabularies["item"].ids, ranking.split.vocabularies["user"].ids
    for block in shown:
        place = ranking.judged.users.tolist().index(users.index(block.user) + 1)
        for side, made in zip((ranking.judged.before, ranking.judged.after), block.lists, strict=True):
            assert list(made.items) == [ids[code - 1] for code in side.raw["top"][place][:10] if code]
        before, after = (set(side.raw["top"][place]) - {0} for side in (ranking.judged.before, ranking.judged.after))
        assert block.lists[1].fresh == tuple(ids.index(item) + 1 not in before for item in block.lists[1].items)
        assert f"{len(before & after)} of 20" in block.note


def test_rows_stand_for_lists_where_rows_are_scored(clicks):
    (table,) = kinds(section(clicks, "lists"), Table)
    assert table.columns[-2:] == ("probability before", "probability after")
    assert all(0 <= row[-1].number <= 1 for row in table.rows)
    change = [abs(row[-1].number - row[-2].number) for row in table.rows]
    assert change == sorted(change, reverse=True)


def test_nobody_is_shown_where_that_was_asked(ranking):
    (words,) = section(replace(ranking, users=0), "lists")
    assert "--users 0" in words.text
    left = kinds(section(replace(ranking, users=0), "units"), Table)
    assert [table.caption for table in left] == ["The plan: factor 0.5"]


def test_what_stayed_whole_has_its_reason(ranking):
    (table,) = kinds(section(ranking, "whole"), Table)
    assert {row[0] for row in table.rows} == set(ranking.plan.survey.whole.values())


def test_the_proof_says_what_was_asked(ranking):
    (words,) = section(ranking, "proof")
    assert words.text.startswith("Yes: ")
    assert ranking.small.proof.sentence() in words.text
    (missing,) = section(replace(ranking, small=replace(ranking.small, proof=None)), "proof")
    assert missing.how.startswith("recprune verify ")


def test_checksums_are_those_of_the_folders(ranking):
    tables = {table.caption.partition(" (")[0]: table for table in kinds(section(ranking, "again"), Table)}
    models = {row[0]: row[2] for row in tables["Checksums of the models"].rows}
    said = ranking.said["small"]["files"]["weights.safetensors"]
    assert models[f"{ranking.places.small}/weights.safetensors"] == said["sha256"]
    assert any(row[0].endswith("train.parquet") for row in tables["Checksums of the data"].rows)


def test_what_needs_data_says_so_where_there_is_none(lists_run, found_in, tmp_path):
    for name in ("big", "small"):
        shutil.copytree(lists_run / "out" / name, tmp_path / "out" / name)
    found = found_in(tmp_path)
    for name in ("losers", "lists", "again"):
        missing = kinds(section(found, name), Missing)
        assert [one for one in missing if "--data PREPARED" in one.how], name


def test_several_seeds_are_told_as_their_mean(ranking):
    many = replace(ranking, comparison=replace(ranking.comparison, seeds=(0, 1, 2)))
    assert "mean of 3 seeds (0, 1, 2)" in section(many, "numbers")[0].text
