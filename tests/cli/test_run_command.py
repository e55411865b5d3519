import json

import pytest
from typer.testing import CliRunner

from recprune.cli import app
from recprune.data.simulate import simulate
from recprune.data.store import load_split
from recprune.recipe.rivals import RIVALS

RUNNER = CliRunner()
APP = app()


def street(path, log, **options):
    flags = [text for name, value in options.items() for text in (f"--{name.strip('-').replace('_', '-')}", str(value))]
    flags += [] if "served" in path.parts else ["--no-bench"]
    return RUNNER.invoke(APP, ["run", str(log), "--out", str(path), "--epochs", "2", "--tune", "epochs=1", *flags])


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    path = tmp_path_factory.mktemp("log") / "log.csv"
    simulate(30, 20, 300, 3, seed=2, noise=(3,), uniques=0).log.frame.collect().write_csv(path)
    return path


ROLES = {
    "user": "user",
    "item": "item",
    "time": "time",
    "categorical": "user_field1,item_field1",
    "of_item": "item_field1",
}


@pytest.mark.parametrize("model", ["ease", "mf", "deepfm"])
def test_the_whole_street_in_one_command(log, tmp_path, model):
    done = street(tmp_path / "out", log, model=model, **ROLES)
    assert done.exit_code == 0, done.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "big",
        "comparison.json",
        "plan.json",
        "prepared",
        "report.html",
        "run.json",
        "small",
    }
    found = json.loads((tmp_path / "out" / "comparison.json").read_text())
    sizes = {name: side["features"] + side["network"] for name, side in found["sides"].items()}
    assert sizes["after"] <= 0.5 * sizes["before"]
    assert {"before", "after", "random", "from scratch"} <= set(sizes)
    assert set(sizes) | set(found["without"]) == {"before", "after", *RIVALS}
    assert f"The smaller model lies in {tmp_path / 'out' / 'small'}" in done.stdout.replace("\n", "")


def test_the_street_ends_with_how_long_a_request_takes_as_it_is_served(log, tmp_path, monkeypatch):
    monkeypatch.setattr("recprune.recipe.serving_times.SECONDS", 0.0)
    done = street(tmp_path / "served" / "out", log, model="mf", user="user", item="item", time="time")
    assert done.exit_code == 0, done.output
    said = " ".join(done.stdout.split())
    assert "As `recprune serve` answers, a request takes" in said
    assert (tmp_path / "served" / "out" / "served.json").is_file()
    assert "milliseconds as served" in (tmp_path / "served" / "out" / "report.html").read_text(encoding="utf-8")


def test_stages_that_stand_are_not_done_again_and_changed_ones_are(log, tmp_path):
    first = street(tmp_path / "out", log, model="mf", **ROLES)
    again = street(tmp_path / "out", log, model="mf", **ROLES)
    assert "train mf" in first.stderr
    assert again.stderr == ""
    assert again.stdout == first.stdout
    other = street(tmp_path / "out", log, model="mf", factor=0.3, **ROLES)
    assert "train mf" not in other.stderr
    assert "choose" in other.stderr
    log.touch()
    assert "train mf" in street(tmp_path / "out", log, model="mf", factor=0.3, **ROLES).stderr


def test_fields_beside_a_log_that_changed_are_read_again(log, tmp_path):
    inter = tmp_path / "shop.inter"
    rows = [line.split(",") for line in log.read_text().splitlines()]
    places = [rows[0].index(name) for name in ("user", "item", "time")]
    lines = [["user_id:token", "item_id:token", "timestamp:float"], *([row[at] for at in places] for row in rows[1:])]
    inter.write_text("\n".join("\t".join(line) for line in lines))
    items = sorted({line[1] for line in lines[1:]})
    for colours in ("r", "rg"):
        sides = [f"{item}\t{colours[n % len(colours)]}" for n, item in enumerate(items)]
        inter.with_suffix(".item").write_text("\n".join(["item_id:token\tcolour:token", *sides]))
        done = RUNNER.invoke(APP, ["run", str(inter), "-o", str(tmp_path / "out"), "--no-rivals", "--no-bench"])
        assert done.exit_code == 0, done.output
        assert len(load_split(tmp_path / "out" / "prepared").vocabularies["colour"]) == len(colours) + 1


def test_a_stage_that_was_lost_is_made_again(log, tmp_path):
    first = street(tmp_path / "out", log, model="mf", **ROLES)
    (tmp_path / "out" / "plan.json").unlink()
    again = street(tmp_path / "out", log, model="mf", **ROLES)
    assert "choose" in again.stderr
    assert "train mf" not in again.stderr
    assert again.exit_code == first.exit_code == 0


def test_a_model_that_takes_pasts_gets_them_and_negatives_where_nothing_is_said(log, tmp_path):
    settings = {"model": "din", "model_set": "hidden=[6]", "factor": 0.3}
    done = RUNNER.invoke(
        APP,
        [
            *(
                "run",
                str(log),
                "--out",
                str(tmp_path / "out"),
                "--epochs",
                "1",
                "--tune",
                "epochs=1",
                "--no-rivals",
                "--no-bench",
            ),
            *(
                text
                for name, value in {**settings, **ROLES}.items()
                for text in (f"--{name.replace('_', '-')}", str(value))
            ),
        ],
    )
    assert done.exit_code == 0, done.output
    split = load_split(tmp_path / "out" / "prepared")
    assert split.train["sequence"].shape[1] == 20
    assert set(split.train["label"].tolist()) == {0.0, 1.0}
    sides = json.loads((tmp_path / "out" / "comparison.json").read_text())["sides"]
    assert {"before", "after"} <= set(sides)


OWN = """
import torch
from torch import nn


class Dot(nn.Module):
    columns = ("user",)

    def __init__(self, users, items, dim=8):
        super().__init__()
        self.user, self.item = nn.Embedding(users, dim), nn.Embedding(items, dim)

    @classmethod
    def of(cls, split, **settings):
        return cls(split.train.n_users, split.train.n_items, **settings)

    def forward(self, user):
        return self.user(user) @ self.item.weight.T
"""


def test_a_model_of_ones_own_walks_the_street_by_its_name(log, tmp_path, monkeypatch):
    (tmp_path / "own_models.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    done = street(tmp_path / "out", log, model="own_models:Dot", model_set="dim=6", **ROLES)
    assert done.exit_code == 0, done.output
    small = str(tmp_path / "out" / "small")
    without = RUNNER.invoke(APP, ["evaluate", small])
    assert without.exit_code == 2
    assert "own_models:Dot" in without.stderr
    assert "--class" in without.stderr
    named = RUNNER.invoke(APP, ["evaluate", small, "--class", "own_models:Dot", "--json"])
    assert named.exit_code == 0, named.output
    found = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert json.loads(named.stdout)["mean"] == pytest.approx(found["sides"]["after"]["metrics"])


def test_several_seeds_end_in_one_proof(log, tmp_path):
    done = street(tmp_path / "out", log, model="ease", seeds=3, seed=5, **ROLES)
    assert done.exit_code == 0, done.output
    assert {f"seed-{n}" for n in (5, 6, 7)} < {path.name for path in (tmp_path / "out").iterdir()}
    found = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert found["seeds"] == [5, 6, 7]
    assert "mean of 3 seeds" in done.stdout
    assert "mean of 3 seeds (5, 6, 7)" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "over 3 seeds" in done.stdout
    assert street(tmp_path / "out", log, model="ease", seeds=3, seed=5, **ROLES).stderr == ""


def test_a_log_toml_that_changed_is_read_again(log, tmp_path):
    columns = []
    for more in ("", 'time = "time"\n'):
        (tmp_path / "log.toml").write_text(f'[roles]\nuser = "user"\nitem = "item"\n{more}')
        done = street(tmp_path / "out", log, model="mf", **{"-log": tmp_path / "log.toml"})
        assert done.exit_code == 0, done.output
        columns.append("time" in load_split(tmp_path / "out" / "prepared").train.columns)
    assert columns == [False, True]


def test_a_proof_that_was_damaged_is_named_with_the_way_out(log, tmp_path):
    assert street(tmp_path / "out", log, model="mf", **ROLES).exit_code == 0
    (tmp_path / "out" / "comparison.json").write_text("")
    done = street(tmp_path / "out", log, model="mf", **ROLES)
    assert done.exit_code == 2
    told = " ".join(done.output.split())
    assert "comparison.json cannot be read" in told
    assert "Remove it, and the same call makes it again" in told
    (tmp_path / "out" / "comparison.json").unlink()
    (tmp_path / "out" / "run.json").write_text('{"big": "cut o')
    assert street(tmp_path / "out", log, model="mf", **ROLES).exit_code == 0
