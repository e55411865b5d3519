"""What the flags say about a log, and what the log itself says where they are silent."""

import json

import numpy as np
from typer.testing import CliRunner

from recprune.cli import app
from recprune.data.bins import MISSING
from recprune.data.store import load_split

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


def binned(folder):
    return load_split(folder / "out").vocabularies["price"].ids


def test_numeric_fields_are_binned_by_a_flag(tmp_path):
    said = prepared(tmp_path, rows(*LINES), "--numeric", "price", "--bins", "price=4", "--split", "random")
    assert said["ids"] == {"user": 4, "item": 5, "price": 4}
    assert binned(tmp_path)[0].startswith("(-inf,")


def test_a_log_toml_says_how_many_bins_and_a_flag_goes_before_it(tmp_path):
    (tmp_path / "log.toml").write_text(
        'path = "log.csv"\n[roles]\nuser = "customer_id"\nitem = "product"\nnumeric = ["price"]\n[bins]\nprice = 3\n'
    )
    (tmp_path / "log.csv").write_text(rows(*LINES))
    for said, bins in (((), 3), (("--bins", "price=distinct"), 14), (("--bins", "price=squared_log"), 9)):
        done = RUNNER.invoke(
            APP, ["prepare", str(tmp_path / "log.toml"), "-o", str(tmp_path / "out"), "--split", "random", *said]
        )
        assert done.exit_code == 0, done.output
        assert len(binned(tmp_path)) == bins
    assert "[1,2.7182817)" in binned(tmp_path)
    flagged = prepared(tmp_path, rows(*LINES), "--log", str(tmp_path / "log.toml"), "--split", "random")
    assert flagged["ids"]["price"] == 3


def test_missing_numbers_are_counted_and_stay_or_are_imputed(tmp_path):
    lines = [line.replace(",3.5,", ",,").replace(",4.5,", ",,") for line in LINES]
    flags = ("--numeric", "price", "--split", "random")
    said = prepared(tmp_path, rows(*lines), *flags)
    assert said["missing"] == {"price": 2}
    parts = load_split(tmp_path / "out")
    assert sum(np.isnan(part["price"]).sum() for part in (parts.train, parts.valid, parts.test)) == 2
    said = prepared(tmp_path, rows(*lines), *flags, "--impute")
    assert said["missing"] == {"price": 2}
    parts = load_split(tmp_path / "out")
    assert not any(np.isnan(part["price"]).any() for part in (parts.train, parts.valid, parts.test))
    said = prepared(tmp_path, rows(*lines), *flags, "--bins", "price=4", "--seed", "1")
    assert said["missing"] == {"price": 2}
    assert binned(tmp_path)[-1] == MISSING


def test_a_field_that_cannot_be_binned_is_named(tmp_path):
    (tmp_path / "log.csv").write_text(rows(*LINES))
    done = RUNNER.invoke(APP, ["prepare", str(tmp_path / "log.csv"), "-o", str(tmp_path / "out"), "--bins", "cost=4"])
    assert done.exit_code == 2
    assert "'cost'" in done.stderr


def test_several_conditions_leave_the_rows_that_meet_them_all(tmp_path):
    flags = ("--numeric", "price", "--positive", "price > 2 and price < 9", "--duplicates", "all", "--split", "random")
    said = prepared(tmp_path, rows(*LINES), *flags)
    assert said["left out"]["not positive"] == 13


def test_an_engine_prepares_in_parts_what_memory_prepares_whole(tmp_path):
    flags = ("--k-core", "2", "--categorical", "bought")
    whole = prepared(tmp_path, rows(*LINES), *flags)
    kept = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    parts = prepared(tmp_path, rows(*LINES), *flags, "--engine", "local", "--memory", "1KB")
    assert parts == whole
    assert kept == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}


def test_what_needs_whole_columns_and_what_needs_an_engine_is_refused(tmp_path):
    (tmp_path / "log.csv").write_text(rows(*LINES))
    for flags, said in (
        (("--engine", "local", "--pasts", "3"), "--pasts is made in memory only"),
        (("--engine", "local", "--workers", "2"), "the engine local is one process"),
        (("--workers", "2"), "go with an engine"),
        (("--engine", "local", "--memory", "much"), "--memory 'much' is no size"),
    ):
        done = RUNNER.invoke(APP, ["prepare", str(tmp_path / "log.csv"), "-o", str(tmp_path / "out"), *flags])
        assert done.exit_code != 0
        assert said in " ".join(done.output.split())


def test_a_split_that_cannot_be_is_refused_before_the_log_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("recprune.data.read.read_completed", None)
    (tmp_path / "log.csv").write_text(rows(*LINES))
    for flags, said in (
        (("--split", "week"), "no way to split named 'week'"),
        (("--valid-share", "0.6", "--test-share", "0.6"), "shares that leave something to train"),
    ):
        done = RUNNER.invoke(APP, ["prepare", str(tmp_path / "log.csv"), "-o", str(tmp_path / "out"), *flags])
        assert done.exit_code == 2
        assert said in " ".join(done.output.split())


def test_a_folder_that_was_prepared_is_prepared_again(tmp_path):
    first = prepared(tmp_path, rows(*LINES))
    assert (tmp_path / "out" / "rejected.tsv").is_file()
    assert prepared(tmp_path, rows(*LINES)) == first


def test_ids_that_train_hardly_knows_become_unknown_by_a_flag_and_are_counted(tmp_path):
    lines = [f"u{i % 2},p{min(i % 7, 4)},{i}.5,{100 + i},{i % 3 and 1}" for i in range(42)]
    flags = ("--user", "customer_id", "--item", "product", "--label", "bought", "--split", "random")
    whole = prepared(tmp_path, rows(*lines), *flags)
    said = prepared(tmp_path, rows(*lines), *flags, "--min-count", "8")
    assert said["rare ids"] == {"item": 4}
    assert said["ids"] == {**whole["ids"], "item": 1}
    assert said["rows"] == whole["rows"]
    assert "rare ids" not in whole
    assert load_split(tmp_path / "out").vocabularies["item"].ids == ("p4",)


def test_rare_ids_of_lists_are_left_to_cleaning_and_large_logs_keep_theirs(tmp_path):
    (tmp_path / "log.csv").write_text(rows(*LINES))
    command = ["prepare", str(tmp_path / "log.csv"), "-o", str(tmp_path / "out"), "--min-count", "2"]
    done = RUNNER.invoke(APP, command)
    assert done.exit_code == 2
    assert "--min-item" in done.stderr
    done = RUNNER.invoke(APP, [*command, "--engine", "local"])
    assert done.exit_code == 2
    assert "leave out --engine, or --min-count" in " ".join(done.stderr.split())
