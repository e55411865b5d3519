import json
import shutil

import pytest
from typer.testing import CliRunner

from recprune.cli import app
from recprune.data.simulate import simulate

RUNNER = CliRunner()
APP = app()


ROLES = ("--user", "user", "--item", "item", "--time", "time")


def call(*arguments):
    return RUNNER.invoke(APP, [str(argument) for argument in arguments])


def asked(*arguments):
    """The JSON that a command prints."""
    done = call(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """A folder in which every command up to finetune has been called."""
    at = tmp_path_factory.mktemp("street")
    log = simulate(40, 40, 600, 3, seed=1, noise=(3,), uniques=0).log.frame.collect()
    log.write_csv(at / "log.csv")
    said = {
        "prepare": asked(
            "prepare", at / "log.csv", "-o", at / "prepared", "--user", "user", "--item", "item", "--time", "time"
        ),
        "train": asked("train", at / "prepared", "--model", "mf", "--set", "dim=8", "--epochs", 2, "-o", at / "big"),
        "survey": asked("survey", at / "big"),
        "plan": asked("plan", at / "big", "--factor", 0.5, "--kind", "dim", "-o", at / "plan.json"),
        "apply": asked("apply", at / "big", at / "plan.json", "-o", at / "cut"),
        "finetune": asked("finetune", at / "cut", "--epochs", 1, "-o", at / "small", "--seed", 5),
    }
    return at, said


def test_prepare_counts_rows_and_ids(street):
    _, said = street
    assert sum(said["prepare"]["rows"].values()) == 600
    assert said["prepare"]["ids"]["user"] == 40
    assert said["prepare"]["split"] == "user"


def test_train_tells_how_it_went(street):
    at, said = street
    assert said["train"]["model"] == "mf"
    assert 1 <= said["train"]["epochs"] <= 2
    assert said["train"]["judged by"] == "valid ndcg@20"
    assert 0 < said["train"]["best value"] <= 1
    assert (at / "big" / "manifest.json").is_file()


def test_survey_lists_sites_and_what_stays_whole(street):
    _, said = street
    assert {s["name"]: s["units"] for s in said["survey"]["sites"] if s["kind"] == "dim"} == {"user+item.dim": 8}
    assert any("gives back" in reason for reason in said["survey"]["whole"].values())


def test_plan_meets_the_factor_and_says_by_which_rule(street):
    _, said = street
    assert said["plan"]["share_removed"] >= 0.5
    assert "MseIncrease" in said["plan"]["rule"]


def test_apply_makes_a_model_of_the_size_that_the_plan_says(street):
    at, said = street
    held = asked("inspect", at / "cut")
    assert held["parameters"] == said["plan"]["parameters_after"] == said["apply"]["parameters_after"]


def test_finetune_leaves_the_model_it_began_with_where_it_is_given_another_place(street):
    at, said = street
    assert said["finetune"]["folder"] == str(at / "small")
    assert [work["what"] for work in asked("inspect", at / "cut")["notes"]["works"]] == ["train"]
    works = asked("inspect", at / "small")["notes"]["works"]
    assert [work["what"] for work in works] == ["train", "finetune"]
    assert works[1]["options"]["seed"] == 5


def test_compare_shows_both_models_and_the_rivals(street):
    at, _ = street
    said = asked("compare", at / "big", at / "small", "--data", at / "prepared", "-k", 5)
    assert list(said["sides"]) == ["before", "after", "random", "from scratch", "int8 rows", "int4 rows"]
    assert "at least 1,756 bytes stay" in said["without"]["rare ids"]
    sizes = {name: side["features"] + side["network"] for name, side in said["sides"].items()}
    assert sizes["before"] > sizes["after"] == sizes["from scratch"] == sizes["random"]
    assert set(said["against"]) == set(sizes) - {"before", "after"}
    assert said["differences"]["after"][0]["metric"] == "precision@5"


def test_compare_can_do_without_rivals(street):
    at, _ = street
    said = asked("compare", at / "big", at / "small", "--no-rivals")
    assert list(said["sides"]) == ["before", "after", "int8 rows", "int4 rows"]
    assert said["without"]["random"] == "it was not asked for"


def test_evaluate_tells_metrics_with_their_formulas(street):
    at, _ = street
    said = asked("evaluate", at / "small", "--data", at / "prepared", "--part", "valid", "-k", 10)
    assert 0 <= said["mean"]["recall@10"] <= 1
    assert "test items" in said["formulas"]["recall@10"]


def test_inspect_knows_a_model_prepared_data_and_a_plan(street):
    at, said = street
    assert asked("inspect", at / "big")["model"] == "mf"
    assert asked("inspect", at / "prepared")["rows"] == said["prepare"]["rows"]
    assert asked("inspect", at / "plan.json")["parameters_after"] == said["plan"]["parameters_after"]


def test_a_model_is_surveyed_and_cut_where_its_data_is_gone(street, tmp_path):
    at, said = street
    for name in ("big", "plan.json"):
        copy = shutil.copytree if (at / name).is_dir() else shutil.copy
        copy(at / name, tmp_path / name)
    assert asked("survey", tmp_path / "big")["sites"] == said["survey"]["sites"]
    assert asked("apply", tmp_path / "big", tmp_path / "plan.json", "-o", tmp_path / "cut")["share_removed"] >= 0.5
    done = call("plan", tmp_path / "big", "-o", tmp_path / "other.json")
    assert done.exit_code == 2
    assert "--data" in done.stderr


def test_people_get_words_and_programs_get_json_alone(street):
    at, _ = street
    done = call("survey", at / "big")
    assert "user+item.dim" in done.stdout
    assert "stays whole" in done.stdout
    done = call("plan", at / "big", "-o", at / "again.json", "--json")
    assert "score" in done.stderr
    assert json.loads(done.stdout)["plan"] == str(at / "again.json")


def test_the_same_seed_gives_the_same_plan(street):
    at, _ = street
    for name in ("one", "two"):
        asked("plan", at / "big", "--factor", 0.3, "--rule", "random", "--seed", 3, "-o", at / name)
    assert (at / "one").read_text() == (at / "two").read_text()
    asked("plan", at / "big", "--factor", 0.3, "--rule", "random", "--seed", 4, "-o", at / "two")
    assert (at / "one").read_text() != (at / "two").read_text()


def test_a_pruned_model_can_be_pruned_again_and_compared_with_the_first(street):
    at, said = street
    asked("plan", at / "small", "--factor", 0.4, "--kind", "id", "-o", at / "second.json")
    again = asked("apply", at / "small", at / "second.json", "-o", at / "smaller")
    assert again["parameters_after"] < said["plan"]["parameters_after"]
    asked("finetune", at / "smaller", "--epochs", 1)
    said = asked("compare", at / "small", at / "smaller", "--data", at / "prepared")
    assert said["sides"]["after"]["features"] < said["sides"]["before"]["features"]
    assert asked("evaluate", at / "smaller")["cases"] == said["cases"]


def test_a_plan_in_bytes_is_met_with_cuts_and_bits(street, tmp_path):
    at, _ = street
    said = asked("plan", at / "big", "--bytes", "1KB", "--kind", "dim", "-o", tmp_path / "plan.json")
    assert said["bytes_after"] <= 1000
    assert said["budget"] == "1,000 bytes"
    asked("apply", at / "big", tmp_path / "plan.json", "-o", tmp_path / "small")
    names = {tensor: text.partition("(")[0] for tensor, text in said["encodings"].items()}
    assert asked("inspect", tmp_path / "small")["encodings"] == names
    asked("finetune", tmp_path / "small", "--epochs", 1, "--data", at / "prepared", "-o", tmp_path / "tuned")
    tuned, small = (asked("inspect", tmp_path / name) for name in ("tuned", "small"))
    assert tuned["encodings"] == small["encodings"]
    out = tmp_path / "new" / "folder" / "found.json"
    said = asked("compare", at / "big", tmp_path / "tuned", "--data", at / "prepared", "--no-rivals", "-o", out)
    assert said["cases"] > 0
    assert json.loads(out.read_text()) == said


def test_a_plan_may_name_how_what_stays_is_stored(street, tmp_path):
    at, _ = street
    said = asked("plan", at / "big", "--factor", 0.2, "--encoding", "int8_rows", "-o", tmp_path / "plan.json")
    assert set(said["encodings"].values()) == {"int8_rows"}


def test_a_frontier_is_drawn_and_written(street, tmp_path):
    at, _ = street
    out = tmp_path / "frontier.json"
    said = asked(
        "frontier", at / "big", "--factor", 0.3, "--factor", 0.6, "--encoding", "int8_rows", "--epochs", 2, "-o", out
    )
    assert len(said["points"]) == 6
    assert json.loads(out.read_text())["points"] == said["points"]
    shown = call("frontier", at / "big", "--factor", 0.3, "--epochs", 1, "-o", out)
    assert "of dense" in shown.output


DIN = ("--model", "din", "--set", "dim=4", "--set", "attention=[6]", "--set", "hidden=[8]", "--epochs", 1)


def test_din_walks_the_street_on_rows_that_hold_what_each_user_had(tmp_path):
    log = simulate(40, 30, 600, 3, seed=1, noise=(), uniques=0).log.frame.collect()
    log.write_csv(tmp_path / "log.csv")
    prepared = asked("prepare", tmp_path / "log.csv", "-o", tmp_path / "data", *ROLES, "--negatives", 1, "--pasts", 4)
    assert "sequence" in prepared["columns"]
    trained = asked("train", tmp_path / "data", *DIN, "-o", tmp_path / "big")
    assert trained["model"] == "din"
    plan = asked("plan", tmp_path / "big", "--factor", 0.5, "-o", tmp_path / "plan.json")
    kinds = {site["kind"] for site in asked("survey", tmp_path / "big")["sites"]}
    assert {"id", "dim", "neuron"} <= kinds
    cut = asked("apply", tmp_path / "big", tmp_path / "plan.json", "-o", tmp_path / "small")
    assert cut["parameters_after"] == plan["parameters_after"] < trained["parameters"]
    asked("finetune", tmp_path / "small", "--epochs", 1)
    said = asked("compare", tmp_path / "big", tmp_path / "small", "--data", tmp_path / "data")
    assert said["sides"]["after"]["metrics"]["auc"] == asked("evaluate", tmp_path / "small")["mean"]["auc"]


def test_din_on_rows_without_pasts_says_how_to_prepare_them(tmp_path):
    simulate(20, 20, 200, 3, seed=1, noise=(), uniques=0).log.frame.collect().write_csv(tmp_path / "log.csv")
    asked("prepare", tmp_path / "log.csv", "-o", tmp_path / "data", *ROLES, "--negatives", 1)
    refused = call("train", tmp_path / "data", *DIN, "-o", tmp_path / "big")
    assert refused.exit_code == 2
    assert "--pasts 20" in refused.stderr


def test_select_leaves_columns_that_say_nothing(tmp_path):
    log = simulate(100, 60, 2500, 3, seed=1, noise=(3,), uniques=1).log.frame.collect()
    log.write_csv(tmp_path / "log.csv")
    fields = [name for name in log.columns if name not in ("user", "item", "time", "rating", "label")]
    roles = (*ROLES, "--categorical", ",".join(fields), *(("--label", "label") if "label" in log.columns else ()))
    asked("prepare", tmp_path / "log.csv", "-o", tmp_path / "all", *roles, "--negatives", 1)
    settings = ("--set", "dim=4", "--set", "hidden=[8]", "--epochs", 2)
    said = asked("select", tmp_path / "all", "-o", tmp_path / "some", *settings)
    assert {"user", "item"} <= set(said["kept"])
    assert set(said["kept"]) | set(said["left"]) == {"user", "item", *fields}
    assert said["left"]
    trained = asked("train", tmp_path / "some", "--model", "deepfm", *settings, "-o", tmp_path / "model")
    assert trained["parameters"] > 0
    refused = call("select", tmp_path / "all", "-o", tmp_path / "model")
    assert refused.exit_code == 2
