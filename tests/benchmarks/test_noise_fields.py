"""The noise benchmark: what is injected, how methods are counted, and that test rows are read last."""

import importlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from recprune.data.dataset import Split
from recprune.data.idle import idle_columns
from recprune.testing.data import tiny_clicks

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))
data = importlib.import_module("benchmarks.noise_data")
bench = importlib.import_module("benchmarks.noise_fields")
scikit = importlib.import_module("benchmarks.noise_rivals")
DATA = Path(os.environ.get("RECPRUNE_DATA", ROOT.parent / "shared" / "data"))


def clicks(read=None):
    """A tiny log whose test rows note that they were read."""
    split = tiny_clicks()
    blind = Split(split.train, split.valid, split.test.take(np.zeros(0, dtype=np.int64)))

    def test():
        if read is not None:
            read.append("test")
        return split.test

    return data.Noisy(blind, test, split.train.fields, {})


def test_the_injected_fields_are_a_copy_a_constant_a_unique_id_and_noise_up_to_the_largest() -> None:
    noisy = data.injected(clicks(), 10, seed=0)
    split = noisy.split
    assert list(noisy.part) == [f"injected{number}" for number in range(1, 11)]
    assert set(split.train.fields) == set(noisy.real) | set(noisy.part)
    found = idle_columns(split)
    assert found["injected1"].startswith("copy of ")
    assert found["injected2"].startswith("constant")
    assert found["injected3"].startswith("unique")
    sizes = [len(split.vocabularies[f"injected{number}"]) - 1 for number in range(4, 11)]
    assert (sizes[0], sizes[-1]) == (2, 100_000)
    assert sizes == sorted(sizes)
    for part in (split.train, split.valid, noisy.test()):
        assert all(part[name].max() < len(split.vocabularies[name]) for name in noisy.part)


def test_injecting_reads_no_test_row_and_draws_the_same_for_the_same_seed() -> None:
    read = []
    one, again, other = (data.injected(clicks(read), 5, seed) for seed in (3, 3, 4))
    assert read == []
    assert np.array_equal(one.split.train["injected4"], again.split.train["injected4"])
    assert not np.array_equal(one.split.train["injected4"], other.split.train["injected4"])
    assert np.array_equal(one.test()["injected4"], again.test()["injected4"])
    assert read == ["test", "test"]


def test_what_left_is_counted_by_hand() -> None:
    noisy = data.injected(clicks(), 5, seed=0)
    every = set(noisy.split.train.fields)
    assert bench.counts(noisy, noisy.real) == (5, 1.0, 1.0, 4)
    assert bench.counts(noisy, every) == (0, 0.0, 0.0, 4)
    assert bench.counts(noisy, every - {"injected2", "injected4", "user"}) == (2, pytest.approx(2 / 3), 2 / 5, 3)
    source = noisy.part["injected1"].removeprefix("copy of ")
    assert bench.counts(noisy, set(noisy.real) - {source} | {"injected1"}) == (5, 1.0, 1.0, 4)


def test_the_test_rows_are_read_once_when_every_model_is_trained(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    done = []
    made = data.injected(clicks(done), 5, seed=0)
    tiny = {"dim": 2, "hidden": (4,), "dropout": 0.0}
    small = bench.Bench("tiny", lambda seed: made, tiny, {"epochs": 1, "batch": 64}, (0,), ())
    plain = bench.trained
    monkeypatch.setattr(bench, "trained", lambda *how: done.append("train") or plain(*how))
    monkeypatch.setattr(bench, "RUNS", tmp_path / "runs")
    run = bench.resumed("tiny", small, 0)
    assert done.count("test") == 1
    assert done[-1] == "test"
    trainings = len(done)
    assert json.loads(json.dumps(bench.resumed("tiny", small, 0).counts)) == run.counts
    assert len(done) == trainings
    assert len(bench.row(bench.OURS, [run, run])) == len(bench.COLUMNS)
    assert bench.notes(small, [run])


def test_the_rivals_of_scikit_learn_each_keep_something_and_those_told_the_number_that_many() -> None:
    noisy = data.simulated(3, 0)
    rows = np.arange(1500)
    split = Split(noisy.split.train.take(rows), noisy.split.valid.take(rows), noisy.split.test)
    found = scikit.rivals(split, 6, seed=0)
    assert len(found) == 6
    for name, choice in found.items():
        assert set(choice.kept) <= set(split.train.fields)
        assert len(choice.kept) == 6 if "told the number" in name else choice.kept


@pytest.mark.skipif(not (DATA / "README.md").is_file(), reason="real data: RECPRUNE_DATA names no folder with it")
def test_the_real_logs_have_the_published_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECPRUNE_DATA", str(DATA))
    adult, frappe = data.adult(), data.frappe()
    assert (len(adult.split.train) + len(adult.split.valid), len(adult.test())) == (32_561, 16_281)
    assert int(adult.split.train["label"].sum() + adult.split.valid["label"].sum()) == 7_841
    assert int(adult.test()["label"].sum()) == 3_846
    assert (len(frappe.split.train), len(frappe.split.valid), len(frappe.test())) == (202_027, 57_722, 28_860)
    assert [len(one.split.test) for one in (adult, frappe)] == [0, 0]
    assert idle_columns(adult.split).keys() == {"education_num"}
    assert idle_columns(frappe.split) == {}


@pytest.mark.skipif(not (DATA / "complete-journey").is_dir(), reason="the Complete Journey tables are not there")
def test_the_demo_log_has_two_products_that_were_not_bought_for_each_that_was(monkeypatch) -> None:
    monkeypatch.setenv("RECPRUNE_DATA", str(DATA))
    noisy = data.demo()
    train, valid, test = noisy.split.train, noisy.split.valid, noisy.test()
    assert train["time"].max() < valid["time"].min() <= valid["time"].max() < test["time"].min()
    for part in (train, valid, test):
        assert part["label"].mean() == pytest.approx(1 / 3)
        assert len(part) > 10_000
    assert len(noisy.real) == 18
    assert not idle_columns(noisy.split)
    bought = train["label"] > 0
    codes = [part["item"].astype(np.int64) * train.n_users + part["user"] for part in (train, valid)]
    assert not np.isin(codes[0][~bought], codes[0][bought]).any()
    assert not np.isin(codes[1][valid["label"] == 0], codes[0][bought]).any()
