"""The benchmark of training time, on tiny data."""

import importlib
import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from recprune.testing.data import tiny_clicks, tiny_split

sys.path.append(str(Path(__file__).parents[2]))
speed = importlib.import_module("benchmarks.train_speed")
pairs = importlib.import_module("benchmarks.train_pairs")
peers = importlib.import_module("benchmarks.train_peers")
result = importlib.import_module("benchmarks.result")


def test_sides_take_turns_until_the_time_is_up():
    asked = []

    def side(name, takes):
        return lambda: asked.append(name) or takes

    found = speed.turns(side("a", 1.0), side("b", 3.0), 2, 9, 0.0)
    assert found == ([1.0, 1.0], [3.0, 3.0])
    assert asked == ["a", "b"] * 3


def test_an_epoch_is_timed_again_and_again_and_a_solution_is_one():
    split = tiny_split()
    train = pairs.epoch("mf", pairs.BPR, {"dim": 8}, split.train)
    times = [train(), train(), pairs.solved("ease", {}, split.train)()]
    assert all(0 < seconds < 60 for seconds in times)


def test_of_the_first_users_the_last_items_stay():
    data = tiny_split().train
    few = pairs.recent(data, 3, 2)
    assert set(np.unique(few["user"])) == {1, 2, 3}
    for user in (1, 2, 3):
        whole, part = (d["time"][d["user"] == user] for d in (data, few))
        assert sorted(part) == sorted(whole)[-2:]


def test_what_a_process_takes_is_what_it_had_not_before():
    held = np.ones(2**22)

    def make(data):
        return lambda: np.ones(2**22).sum() + data.sum()

    assert 2**25 < speed.peak(make, held) < 2**27


@pytest.mark.parametrize("pair", pairs.PAIRS, ids=lambda pair: f"{pair.model} beside {pair.peer}")
def test_every_model_of_ours_trains_by_its_options(pair):
    data = tiny_clicks().train if pair.data is pairs.clicks else tiny_split().train
    if pair.data is pairs.marked:
        data = pairs.with_negatives(tiny_split(), 1).train
    assert pair.ours(data)() > 0


def test_implicit_trains_on_the_same_pairs():
    pytest.importorskip("implicit")
    data = tiny_split().train
    assert peers.implicit_bpr(8, data)() >= 0
    assert peers.implicit_solved("nearest_neighbours.CosineRecommender", {"K": 5}, data)() >= 0


def test_recbole_reads_the_same_columns():
    data = tiny_clicks().train
    with peers._log(data) as folder:
        lines = (Path(folder) / "log" / "log.inter").read_text().splitlines()
    heads = lines[0].split("\t")
    assert len(lines) == 1 + len(data)
    assert {head.partition(":")[0] for head in heads} == {
        *data.fields,
        "label",
        *(["timestamp"] * ("time" in data.columns)),
    }
    place = heads.index("label:float")
    assert [float(line.split("\t")[place]) for line in lines[1:]] == data["label"].tolist()


def test_the_table_holds_the_pairs_that_are_there(monkeypatch, tmp_path, capsys):
    def missing(data):
        raise ModuleNotFoundError("no such package")

    ours = partial(pairs.solved, "popularity", {})
    there = pairs.Pair("popularity", "Other", lambda: tiny_split().train, ours, ours)
    away = pairs.Pair("popularity", "Absent", there.data, ours, missing)
    monkeypatch.setattr(speed, "PAIRS", (there, away))
    monkeypatch.setattr(speed, "SECONDS", 0.0)
    monkeypatch.setattr(result, "FOLDER", tmp_path)
    monkeypatch.setattr(result, "commit", lambda: "here")
    speed.main()
    made = json.loads((tmp_path / "train_speed.json").read_text())
    assert [row[1] for row in made["rows"]] == ["Other"]
    assert len(made["rows"][0]) == len(made["columns"])
    assert "Absent is not here" in capsys.readouterr().err
