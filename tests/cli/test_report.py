import json

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
