"""What the flags say about a log, and what the log itself says where they are silent."""

import json

from typer.testing import CliRunner

from recprune.cli import app

RUNNER = CliRunner()
APP = app()


def prepared(folder, text, *flags):
    (folder / "log.csv").write_text(text)
    done = RUNNER.invoke(APP, ["prepare", str(folder / "log.csv"), "-o", str(folder / "out"), "--json", *flags])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def rows(*lines):
    return "customer_id,product,price,timestamp,bought\n" + "".join(line + "\n" for line in lines)


LINES = [f"u{i % 4},p{i % 5},{i}.5,{100 + i},{'yes' if i % 3 else 'no'}" for i in range(20)]


def test_a_field_that_is_named_leaves_the_guessed_roles_in_place(tmp_path):
    said = prepared(tmp_path, rows(*LINES), "--numeric", "price")
    assert said["ids"] == {"user": 4, "item": 5}
    assert said["split"] == "user"
    assert "price" in said["columns"]


def test_a_column_that_is_named_for_one_part_is_not_guessed_for_another(tmp_path):
    said = prepared(tmp_path, rows(*LINES), "--numeric", "timestamp")
    assert said["split"] == "random"
    assert "time" not in said["columns"]


def test_a_label_of_words_is_read_by_the_rule_for_what_is_positive(tmp_path):
    flags = ("--label", "bought", "--positive", "bought == yes", "--categorical", "product", "--split", "random")
    said = prepared(tmp_path, rows(*LINES), *flags)
    assert said["columns"] == ["label", "product"]
    assert sum(said["rows"].values()) == 20


def test_several_conditions_leave_the_rows_that_meet_them_all(tmp_path):
    flags = ("--numeric", "price", "--positive", "price > 2 and price < 9", "--duplicates", "all", "--split", "random")
    said = prepared(tmp_path, rows(*LINES), *flags)
    assert said["left out"]["not positive"] == 13
