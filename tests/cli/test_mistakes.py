import re
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from recprune import __version__
from recprune.cli import ELSEWHERE, app
from recprune.data.store import save_split
from recprune.testing.data import tiny_split

RUNNER = CliRunner()
APP = app()


def call(*arguments, env=None):
    return RUNNER.invoke(APP, [str(argument) for argument in arguments], env=env)


def refused(done, *words):
    """Exit code 2, one message of one line, no traceback, nothing on stdout."""
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    message = done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in message, message


@pytest.fixture(scope="module")
def at(tmp_path_factory):
    """A folder with prepared data, a model and a plan."""
    at = tmp_path_factory.mktemp("mistakes")
    save_split(tiny_split(), at / "prepared")
    for arguments in (
        ("train", at / "prepared", "--model", "mf", "--set", "dim=4", "--epochs", 1, "-o", at / "big"),
        ("train", at / "prepared", "--model", "mf", "--set", "dim=5", "--epochs", 1, "-o", at / "other"),
        ("plan", at / "big", "-o", at / "plan.json"),
    ):
        assert call(*arguments).exit_code == 0
    return at


def test_a_missing_log_is_refused(tmp_path):
    refused(call("prepare", tmp_path / "nothing.csv", "-o", tmp_path / "out"), "DataError", "nothing.csv")


def test_a_missing_column_is_refused(tmp_path):
    (tmp_path / "log.csv").write_text("who,what,rating\na,b,3\nc,d,4\n")
    done = call("prepare", tmp_path / "log.csv", "--user", "user", "--item", "what", "-o", tmp_path / "out")
    refused(done, "DataError", "user", "who")


def test_an_empty_log_is_refused(tmp_path):
    (tmp_path / "log.csv").write_text("")
    refused(call("prepare", tmp_path / "log.csv", "--user", "u", "--item", "i", "-o", tmp_path / "out"), "DataError")


def test_a_folder_that_is_none_of_ours_is_refused(tmp_path, at):
    refused(call("train", tmp_path, "-o", tmp_path / "out"), "DataError", str(tmp_path))
    refused(call("survey", tmp_path), "ArtifactError", str(tmp_path))
    refused(call("inspect", tmp_path), "ArtifactError", str(tmp_path))
    refused(call("survey", at / "prepared"), "ArtifactError")


def test_data_where_a_model_is_wanted_is_told_apart_and_the_other_way_round(tmp_path, at):
    refused(call("survey", at / "prepared"), "ArtifactError", "prepared data", "train")
    refused(call("train", at / "big", "-o", tmp_path / "m"), "DataError", "prepared")
    refused(call("prepare", at / "prepared", "-o", tmp_path / "p"), "DataError", "prepared already")


def test_what_is_in_the_way_is_told_before_the_work_and_stays(tmp_path, at):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    (tmp_path / "file").write_text("dear")
    (tmp_path / "log.csv").write_text("user,item,time\na,b,1\na,c,2\n")
    for place in (tmp_path / "mine", tmp_path / "file"):
        refused(call("prepare", tmp_path / "log.csv", "-o", place), "DataError", str(place))
        done = call("train", at / "prepared", "-o", place)
        refused(done, "ArtifactError", str(place))
        assert "train" not in done.stderr.splitlines()[0]
        refused(call("apply", at / "big", at / "plan.json", "-o", place), "ArtifactError", str(place))
    refused(call("run", tmp_path / "log.csv", "-o", tmp_path / "file"), "DataError", "file")
    assert (tmp_path / "mine" / "letter.txt").read_text() == (tmp_path / "file").read_text() == "dear"


@pytest.mark.parametrize("command", ["compare", "frontier"])
def test_where_no_file_can_stand_is_told_before_the_work(tmp_path, at, command):
    (tmp_path / "mine").mkdir()
    (tmp_path / "file").write_text("dear")
    models = (at / "big", at / "other")[: 2 if command == "compare" else 1]
    for place in (tmp_path / "mine", tmp_path / "file" / "found.json"):
        done = call(command, *models, "-o", place)
        refused(done, "DataError", str(place.parent))
        assert "judge" not in done.stderr


def test_columns_that_nobody_named_are_refused_with_their_names(tmp_path):
    (tmp_path / "log.csv").write_text("alpha,beta\n1,2\n3,4\n")
    refused(call("prepare", tmp_path / "log.csv", "-o", tmp_path / "p"), "DataError", "alpha", "--user")


def test_a_factor_outside_its_range_is_refused(tmp_path, at):
    for factor in (1.5, -0.1, "nan"):
        refused(call("plan", at / "big", "--factor", factor, "-o", tmp_path / "p"), "BudgetError", "factor")
    assert not (tmp_path / "p").exists()


def test_a_budget_that_cannot_be_met_is_refused(tmp_path, at):
    refused(call("plan", at / "big", "--factor", 0.999, "-o", tmp_path / "p"), "BudgetError", "cannot be met")


def test_a_plan_for_another_model_is_refused(tmp_path, at):
    refused(call("apply", at / "other", at / "plan.json", "-o", tmp_path / "small"), "PlanError", "another model")
    assert not (tmp_path / "small").exists()


def test_what_is_no_plan_is_refused(tmp_path, at):
    (tmp_path / "plan.json").write_text("{}")
    refused(call("apply", at / "big", tmp_path / "plan.json", "-o", tmp_path / "s"), "PlanError", "not a plan")
    refused(call("apply", at / "big", tmp_path / "none.json", "-o", tmp_path / "s"), "PlanError", "none.json")


def test_a_damaged_model_is_refused(tmp_path, at):
    call("train", at / "prepared", "--model", "mf", "--set", "dim=4", "--epochs", 1, "-o", tmp_path / "big")
    weights = tmp_path / "big" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\xff")
    refused(call("survey", tmp_path / "big"), "ArtifactError")


def test_names_that_there_are_not_are_refused_with_those_that_there_are(tmp_path, at):
    refused(call("train", at / "prepared", "--model", "eaze", "-o", tmp_path / "m"), "ExtensionError", "ease")
    refused(call("plan", at / "big", "--rule", "tailor", "-o", tmp_path / "p"), "ExtensionError", "taylor")
    refused(call("plan", at / "big", "--kind", "neurone", "-o", tmp_path / "p"), "BudgetError", "neuron")
    refused(call("train", at / "prepared", "--fit", "speed=9", "-o", tmp_path / "m"), "DataError", "epochs")
    refused(call("train", at / "prepared", "--fit", "lr", "-o", tmp_path / "m"), "DataError", "NAME=VALUE")
    refused(call("train", at / "prepared", "--model", "mf", "--set", "size=9", "-o", tmp_path / "m"), "dim")
    (tmp_path / "log.csv").write_text("user,item\na,b\nc,d\n")
    refused(call("prepare", tmp_path / "log.csv", "--split", "evenly", "-o", tmp_path / "o"), "DataError", "random")
    refused(call("run", tmp_path / "log.csv", "--tune", "speed=9", "-o", tmp_path / "o"), "--tune", "epochs")


def test_a_value_of_the_wrong_kind_is_refused(tmp_path, at):
    refused(call("train", at / "prepared", "--fit", "lr=fast", "-o", tmp_path / "m"), "lr")
    refused(call("train", at / "prepared", "--model", "mf", "--set", "dim=many", "-o", tmp_path / "m"), "dim")


def test_a_click_model_on_positives_alone_is_told_to_draw_negatives(tmp_path, at):
    refused(call("train", at / "prepared", "--model", "deepfm", "-o", tmp_path / "m"), "TrainingError", "negatives")


def test_wrong_usage_has_the_exit_code_2():
    assert call("survey").exit_code == 2
    assert call("survay").exit_code == 2
    assert call("survey", "--bogus").exit_code == 2


def test_anything_else_has_the_exit_code_1_and_the_traceback_only_on_request(at, monkeypatch):
    def broken(*_):
        raise MemoryError("no room")

    monkeypatch.setattr("recprune.recipe.shelf.take", broken)
    done = call("survey", at / "big")
    assert done.exit_code == 1
    assert "MemoryError: no room" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in call("survey", at / "big", "--traceback").stderr
    assert "Traceback" in call("survey", at / "big", env={"RECPRUNE_DEBUG": "1"}).stderr


def test_the_version_is_told():
    assert call("--version").stdout.strip() == f"recprune {__version__}"


@pytest.mark.parametrize("command", ["", "prepare", "run"])
def test_help_imports_nothing_heavy(command):
    code = (
        "import sys\nfrom recprune.cli import app\n"
        f"try:\n    app()({[command, '--help'] if command else ['--help']!r})\nexcept SystemExit:\n    pass\n"
        "heavy = ('torch', 'numpy', 'sklearn', 'polars', 'scipy', 'matplotlib', 'pandas')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage" in out.stdout
    assert out.stdout.strip().splitlines()[-1] == "[]"


def test_every_command_takes_json_and_seed():
    code = {name: call(name, "--help").output for name in COMMANDS}
    for name, text in code.items():
        assert "--json" in text, name
        assert "--seed" in text, name


COMMANDS = ("prepare", "train", "survey", "plan", "apply", "finetune", "compare", "evaluate", "run", "inspect")


def test_two_budgets_at_once_are_refused_by_their_flags(at, tmp_path):
    done = call("plan", at / "big", "--factor", 0.5, "--bytes", "2MB", "-o", tmp_path / "plan.json")
    refused(done, "BudgetError: --factor and --bytes were said", "--max-drop")


def test_a_log_is_no_plan_and_the_message_names_it(at, tmp_path):
    (tmp_path / "log.csv").write_text("user,item\na,b\n")
    done = call("apply", at / "big", tmp_path / "log.csv", "-o", tmp_path / "out")
    refused(done, "PlanError", str(tmp_path / "log.csv"), "`recprune plan`")


def test_a_model_is_no_prepared_folder_and_the_message_says_what_it_is(at, tmp_path):
    refused(call("train", at / "big", "-o", tmp_path / "out"), "DataError", "but of a model")


def test_a_prepared_folder_that_is_not_there_is_said_to_be_made(tmp_path):
    done = call("train", tmp_path / "none", "-o", tmp_path / "out")
    refused(done, "it is not there", f"`recprune prepare LOG -o {tmp_path / 'none'}`")


def test_a_column_that_is_nearly_there_is_told(tmp_path):
    (tmp_path / "log.csv").write_text("user,item,rating\na,b,3\nc,d,4\n")
    done = call("prepare", tmp_path / "log.csv", "--user", "usr", "--item", "item", "-o", tmp_path / "out")
    refused(done, "no column 'usr'", "Did you mean 'user'?")


def test_a_log_is_neither_a_model_nor_to_be_imported_and_both_messages_lead_to_prepare(tmp_path):
    (tmp_path / "log.csv").write_text("user,item\na,b\n")
    refused(call("survey", tmp_path / "log.csv"), "ArtifactError", "`recprune prepare`")
    refused(call("import", tmp_path / "log.csv", "-o", tmp_path / "out"), "DataError", "`recprune prepare ")


@pytest.mark.parametrize("name", sorted(ELSEWHERE))
def test_a_command_that_others_have_leads_to_those_here(name):
    done = call(name)
    assert done.exit_code == 2
    told = " ".join(done.output.replace("│", " ").split())
    assert ELSEWHERE[name] in told
    commands = [group.name for group in typer.main.get_command(APP).commands.values()]
    assert name not in commands
    assert any(re.search(rf"\b{command}\b", ELSEWHERE[name]) for command in commands)


def test_nothing_is_written_into_a_folder_that_its_manifest_seals(at):
    for where in (at / "big" / "more.json", at / "big" / "x" / "more.json", at / "prepared" / "more.json"):
        refused(call("plan", at / "big", "-o", where), "would stand in", "Name a place beside it")
    refused(call("recommend", at / "big", at / "prepared", "-o", at / "big" / "l.csv"), "would stand in")
    assert call("inspect", at / "big").exit_code == 0
    assert not (at / "big" / "x").exists()


def test_a_file_is_no_prepared_folder(at):
    done = call("train", at / "plan.json", "--model", "mf", "-o", at / "never")
    refused(done, "is a file and no prepared folder", "-o prepared/")


def test_a_width_of_0_and_a_site_that_there_is_not_are_named(at):
    refused(call("train", at / "prepared", "--model", "mf", "--set", "dim=0", "-o", at / "never"), "1 or more, not 0")
    refused(call("plan", at / "big", "--site", "nope", "-o", at / "never.json"), "no site is called 'nope'; there are:")


def test_no_folder_of_long_work_stands_in_one_that_its_manifest_seals(at, tmp_path):
    (tmp_path / "log.csv").write_text("user,item\nu,i\n")
    long = (
        ("run", tmp_path / "log.csv", "-o"),
        ("tune", at / "prepared", "--model", "mf", "-o"),
        ("sweep", at / "big", "-o"),
        ("frontier", at / "big", "-o", tmp_path / "f.json", "--steps"),
    )
    for words in long:
        for where in (at / "big", at / "big" / "x", at / "prepared"):
            refused(call(*words, where), "is, or stands in", "Name a place beside it")
        refused(call(*words, tmp_path / "log.csv"), "is a file, and a folder is to stand there")
    assert call("inspect", at / "big").exit_code == 0


def test_a_column_to_keep_that_there_is_not_is_named(at, tmp_path):
    done = call("select", at / "prepared", "--keep", "user, itme", "-o", tmp_path / "less")
    refused(done, "there is no column 'itme'; there are: user, item")
