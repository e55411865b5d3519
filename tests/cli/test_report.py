import json
import shutil

import polars as pl
import pytest
from typer.testing import CliRunner

from recprune.cli import app
from recprune.data.simulate import simulate

RUNNER = CliRunner()


def called(*words):
    return RUNNER.invoke(app(), [str(word) for word in words])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("run")
    simulate(60, 40, 900, 3, seed=2, noise=(3,), uniques=0).log.frame.collect().write_csv(place / "log.csv")
    roles = ["--user", "user", "--item", "item", "--time", "time"]
    done = called("run", place / "log.csv", "--out", place / "out", "--model", "ease", "--no-bench", *roles)
    assert done.exit_code == 0, done.output
    return place / "out"


def test_a_report_is_one_page(run, tmp_path):
    done = called("report", run / "small", "--against", run / "big", "--out", tmp_path / "page.html")
    assert done.exit_code == 0, done.output
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert f"{tmp_path / 'page.html'} (" in done.stdout
    assert "judge case by case" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]


def test_other_formats_lie_beside_it_and_are_named_in_json(run, tmp_path):
    words = ["--out", tmp_path / "r.html", "--format", "html, md,json,card", "--users", 0, "--json"]
    done = called("report", run / "small", "--against", run / "big", *words)
    assert done.exit_code == 0, done.output
    files = json.loads(done.stdout)["files"]
    assert sorted(files) == ["card", "html", "json", "md"]
    assert json.loads((tmp_path / "r.json").read_text())["title"].startswith("ease")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--format", "pdf"], "no format 'pdf'"),
        (["--comparison", "none.json"], "none.json cannot be read"),
        (["--data", "none"], "none is not a prepared folder"),
    ],
)
def test_a_mistake_is_one_clear_message(run, tmp_path, more, words):
    done = called("report", run / "small", "--against", run / "big", "--out", tmp_path / "r.html", *more)
    assert done.exit_code == 2
    assert words in done.stderr
    assert not (tmp_path / "r.html").exists()


def test_models_that_have_nothing_to_do_with_each_other_make_no_page(run, tmp_path):
    log = simulate(60, 40, 900, 3, seed=3, noise=(), uniques=0).log.frame.collect()
    log.with_columns(item=pl.concat_str(pl.lit("x"), pl.col("item").cast(pl.String))).write_csv(tmp_path / "log.csv")
    roles = ["--user", "user", "--item", "item", "--time", "time"]
    for words in (
        ("prepare", tmp_path / "log.csv", "-o", tmp_path / "prepared", *roles),
        ("train", tmp_path / "prepared", "-o", tmp_path / "other"),
    ):
        assert called(*words).exit_code == 0
    shutil.rmtree(tmp_path / "prepared")
    done = called("report", run / "small", "--against", tmp_path / "other", "--out", tmp_path / "r.html")
    assert done.exit_code == 2
    message = done.stderr.strip().splitlines()[-1]
    assert "was not made of" in message
    assert "ids of 'item' that the other does not know" in message
    assert not (tmp_path / "r.html").exists()
