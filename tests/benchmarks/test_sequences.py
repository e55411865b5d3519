"""The benchmark of sequences, on tiny data."""

import gzip
import importlib
import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from recprune.evaluation.inputs import known

sys.path.append(str(Path(__file__).parents[2]))
recipes = importlib.import_module("benchmarks.recipes_sequences")
sequences = importlib.import_module("benchmarks.sequences")
kept = importlib.import_module("benchmarks.sequences_kept")
served = importlib.import_module("benchmarks.served")
result = importlib.import_module("benchmarks.result")

SMALL = {"length": 6, "dim": 32}
MODELS = {
    "popularity": recipes.Recipe("popularity"),
    "gru4rec": recipes.Recipe("gru4rec", {**SMALL, "hidden": 8}, recipes.learning(2, batch=32)),
    "sasrec": recipes.Recipe("sasrec", SMALL, recipes.learning(2, batch=32)),
}


def lines(path, rows):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress("\n".join(" ".join(map(str, row)) for row in rows).encode() + b"\n"))


def following(rng, n, items):
    """n items, each the successor of the one before it."""
    return (rng.integers(items) + np.arange(n)) % items + 1


@pytest.fixture
def small(monkeypatch, tmp_path):
    rng, data = np.random.default_rng(0), tmp_path / "data"
    data.mkdir()
    lines(data / "u" / "sequences.txt.gz", [(u, *following(rng, rng.integers(5, 9), 30)) for u in range(1, 61)])
    lines(data / "s" / "train.txt.gz", [following(rng, rng.integers(2, 6), 30) for _ in range(80)])
    tests = [following(rng, 5, 30) for _ in range(20)]
    lines(data / "s" / "test.txt.gz", [row[:n] for row in tests for n in (5, 4, 3, 2)])
    monkeypatch.setenv("RECPRUNE_DATA", str(data))
    beauty, clicks = recipes.SETS["beauty"], recipes.SETS["diginetica"]
    sets = {
        "users": replace(beauty, folder="u", parts=partial(recipes.of_users, "u"), models=MODELS, best="sasrec"),
        "sessions": replace(clicks, folder="s", parts=partial(recipes.of_sessions, "s"), models=MODELS),
    }
    for module in (sequences, kept):
        monkeypatch.setattr(module, "SETS", sets)
        monkeypatch.setattr(module, "SEEDS", (0, 1))
    every = served.ways  # but ONNX, whose exports take minutes
    monkeypatch.setattr(served, "ways", lambda *of, only: every(*of, only=["kernels"]))
    monkeypatch.setattr(kept, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(sequences, "SHARES", (2, 1000))
    monkeypatch.setattr(result, "FOLDER", tmp_path / "results")
    monkeypatch.setattr(result, "commit", lambda: "here")
    kept.parts_of.cache_clear()
    yield tmp_path
    kept.parts_of.cache_clear()


def test_every_prefix_of_a_test_session_is_asked_and_none_is_learned(small):
    parts = sequences.SETS["sessions"].parts(False)
    assert (len(parts.asked.test), len(parts.asked.valid)) == (80, 20 * (4 + 3 + 2 + 1))
    users = np.unique(parts.asked.test["user"])
    assert not np.isin(users, parts.learn.train["user"]).any()
    assert not len(parts.learn.valid) + len(parts.learn.test)
    before = known(parts.asked, "test")
    assert sorted(np.unique(before.counts()[users]).tolist()) == [1, 2, 3, 4]
    ids = np.array([0, *(int(i) for i in parts.asked.vocabularies["item"].ids)])
    last = ids[before.recent(parts.asked.test["user"], 1)[:, 0]]
    assert (ids[parts.asked.test["item"]] == last % 30 + 1).all()
    assert not parts.mask_seen


def test_to_choose_by_the_last_tenth_of_the_sessions_is_held_out_and_every_prefix_asked(small):
    whole, parts = (sequences.SETS["sessions"].parts(valid) for valid in (False, True))
    sizes = np.bincount(whole.learn.train["user"])
    held = sizes[sizes > 0][-8:]
    asked = np.unique(parts.asked.test["user"])
    assert len(asked) == (held - 1).sum() == len(parts.asked.test)
    assert not np.isin(asked, parts.learn.train["user"]).any()
    assert len(np.unique(parts.learn.train["user"])) == (sizes > 0).sum() - 8
    before = known(parts.asked, "test")
    assert sorted(before.counts()[asked].tolist()) == sorted(n for size in held for n in range(1, size))
    ids = np.array([0, *(int(i) for i in parts.asked.vocabularies["item"].ids)])
    last = ids[before.recent(parts.asked.test["user"], 1)[:, 0]]
    assert (ids[parts.asked.test["item"]] == last % 30 + 1).all()


def test_of_users_the_last_item_is_test_and_the_one_before_it_validation(small):
    valid, test = (sequences.SETS["users"].parts(valid) for valid in (True, False))
    assert (valid.part, test.part) == ("valid", "test")
    assert len(test.asked.test) == len(test.asked.valid) == 60
    assert test.mask_seen


def test_settings_are_of_the_training_or_of_the_model():
    recipe = MODELS["gru4rec"].changed({"lr": "1e-2", "hidden": "16", "schedule": "cosine", "epochs": "9"})
    assert (recipe.options.lr, recipe.options.schedule, recipe.options.epochs) == (1e-2, "cosine", 9)
    assert recipe.options.patience == 9
    assert recipe.of == {**SMALL, "hidden": 16}
    assert MODELS["popularity"].changed({}).options is None


def test_a_try_reads_validation_alone(small, capsys):
    found = sequences.tried("sessions", "gru4rec", "epochs=1", "lr=1e-2")
    assert set(found) == {"recall@20", "mrr@20"}
    assert "epochs=1 lr=1e-2" in capsys.readouterr().out
    assert not (small / "runs").exists()


@pytest.mark.parametrize(("name", "best"), [("users", "sasrec"), ("sessions", "gru4rec")])
def test_both_tables_are_written_and_nothing_is_measured_twice(small, monkeypatch, name, best):
    sequences.main([name])
    read = {file: (small / "results" / f"{file}_{name}.json").read_text() for file in ("sequences", "sequences_small")}
    whole, less = (json.loads(text) for text in read.values())
    rows = {row[0]: row for row in whole["rows"]}
    assert {"popularity", "gru4rec"} < set(rows)
    assert any(label.startswith("published: ") for label in rows)
    assert (rows["popularity"][1], rows["gru4rec"][1]) == (1, 2)
    rows = {row[0]: row for row in less["rows"]}
    assert set(rows) == {best, "1/2", "1/2, same size from scratch", "1/1000", "int8 alone", "int4 alone"}
    assert rows.pop("1/1000")[1:] == [0, *[None] * 8]
    assert any(note.startswith("1/1000: ") for note in less["notes"])
    assert rows["1/2"][2] <= rows[best][2] / 2
    assert rows[best][2] > rows["int8 alone"][2] > rows["int4 alone"][2]
    assert all(row[6] >= 0 for label, row in rows.items() if label != best)
    assert rows.pop("1/2, same size from scratch")[2] == rows["1/2"][2]
    assert all(row[7] > 0 and row[8] in ("eager", "kernels", "onnx", "onnx_kernels") for row in rows.values())
    monkeypatch.setattr(sequences, "SHARES", (2,))
    monkeypatch.setattr(recipes.Recipe, "make", None)
    monkeypatch.setattr(kept, "carry_out", None)
    monkeypatch.setattr(recipes.Parts, "scores", None)
    sequences.main([name])
    again = json.loads((small / "results" / f"sequences_{name}.json").read_text())
    assert again == whole


def test_models_that_are_named_are_measured_alone_and_nothing_is_pruned(small):
    sequences.main(["users"], ["popularity"])
    whole = json.loads((small / "results" / "sequences_users.json").read_text())
    assert [row[0] for row in whole["rows"] if not row[0].startswith("published")] == ["popularity"]
    assert whole["command"].endswith("benchmarks.sequences users")
    assert not (small / "results" / "sequences_small_users.json").exists()


def test_rows_of_models_that_are_not_named_stay(small):
    read = lambda: json.loads((small / "results" / "sequences_users.json").read_text())  # noqa: E731
    sequences.main(["users"], ["popularity"])
    assert not any(note.startswith("Measured in an earlier run") for note in read()["notes"])
    first = read()["rows"]
    sequences.main(["users"], ["gru4rec"])
    assert [row for row in read()["rows"] if row[0] != "gru4rec"] == first
    assert read()["rows"][-1][0] == "gru4rec"
    assert "Measured in an earlier run: popularity" in read()["notes"]
    sequences.main(["users"], ["popularity", "gru4rec"])
    assert read()["rows"][:-1] == first
    assert not any(note.startswith("Measured in an earlier run") for note in read()["notes"])


def test_shares_that_are_named_are_pruned_to_alone(small, monkeypatch):
    monkeypatch.setattr(sequences, "times", lambda *_: {})
    sequences.main(["users"], shares=[3])
    table = json.loads((small / "results" / "sequences_small_users.json").read_text())
    assert table["command"].endswith("benchmarks.sequences users --shares 3")
    assert [row[0] for row in table["rows"]] == [
        "sasrec",
        "1/3",
        "1/3, same size from scratch",
        "int8 alone",
        "int4 alone",
    ]
    assert not (small / "results" / "sequences_users.json").exists()


def test_rows_of_shares_that_are_not_named_stay(small, monkeypatch):
    read = lambda: json.loads((small / "results" / "sequences_small_users.json").read_text())  # noqa: E731
    monkeypatch.setattr(sequences, "times", lambda *_: {})
    sequences.main(["users"], shares=[3])
    first = read()
    sequences.main(["users"], shares=[2])
    both = read()
    assert [row[0] for row in both["rows"]] == [
        "sasrec",
        *("1/2", "1/2, same size from scratch", "1/3", "1/3, same size from scratch"),
        *("int8 alone", "int4 alone"),
    ]
    assert [row for row in both["rows"] if not row[0].startswith("1/2")] == first["rows"]
    assert both["command"].endswith("--shares 2 3")
    assert [note[:4] for note in both["notes"] if note.startswith("1/")] == ["1/2:", "1/3:"]
    assert "Measured in an earlier run: 1/3; 1/3, same size from scratch" in both["notes"]
