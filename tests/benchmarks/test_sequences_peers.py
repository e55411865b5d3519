"""RecBole's models of sequences in the benchmarks: trained on plain arrays, judged as our own, on tiny data."""

import gzip
import importlib
import json
import sys
import types
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

sys.path.append(str(Path(__file__).parents[2]))
recipes = importlib.import_module("benchmarks.recipes_sequences")
sequences = importlib.import_module("benchmarks.sequences")
kept = importlib.import_module("benchmarks.sequences_kept")
peers = importlib.import_module("benchmarks.sequences_peers")
recbole = importlib.import_module("benchmarks.sequences_recbole")
result = importlib.import_module("benchmarks.result")

ITEMS = 20
QUICK = recbole.How(epochs=12, batch=64, lr=3e-2, length=6)


class Last(nn.Module):
    """What RecBole's classes are like: the next item after the last one, which stands at the length."""

    def __init__(self, config, dataset):
        super().__init__()
        self.next, self.n_items = config["ITEM_ID_FIELD"], dataset.num(config["ITEM_ID_FIELD"])
        self.list, self.length = self.next + config["LIST_SUFFIX"], config["ITEM_LIST_LENGTH_FIELD"]
        self.item = nn.Embedding(self.n_items, 16, padding_idx=0)
        self.table = nn.Linear(16, self.n_items)

    def full_sort_predict(self, columns):
        last = columns[self.list].gather(1, columns[self.length][:, None] - 1)
        return self.table(self.item(last[:, 0]))

    def calculate_loss(self, columns):
        return nn.functional.cross_entropy(self.full_sort_predict(columns), columns[self.next])


@pytest.fixture
def standin(monkeypatch):
    """Modules in the place of RecBole's, installed or not."""
    names = ["recbole", "recbole.model", "recbole.model.sequential_recommender"]
    for name in [*names, *(f"{names[-1]}.{model}" for model in recbole.MODELS)]:
        module = types.ModuleType(name)
        module.__version__, module.SASRec, module.GRU4Rec = "0.0", Last, Last
        monkeypatch.setitem(sys.modules, name, module)


def following(rng, n):
    """n items, each the successor of the one before it."""
    return (rng.integers(ITEMS) + np.arange(n)) % ITEMS + 1


def histories(n=60):
    rng = np.random.default_rng(0)
    return [following(rng, rng.integers(1, 9)) for _ in range(n)]


def lines(path, rows):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress("\n".join(" ".join(map(str, row)) for row in rows).encode() + b"\n"))


@pytest.fixture
def small(monkeypatch, tmp_path, standin):
    rng, data = np.random.default_rng(0), tmp_path / "data"
    data.mkdir()
    lines(data / "u" / "sequences.txt.gz", [(u, *following(rng, rng.integers(5, 9))) for u in range(1, 61)])
    lines(data / "s" / "train.txt.gz", [following(rng, rng.integers(2, 6)) for _ in range(80)])
    lines(data / "s" / "test.txt.gz", [row[:n] for row in [following(rng, 5)] * 9 for n in (5, 4, 3, 2)])
    monkeypatch.setenv("RECPRUNE_DATA", str(data))
    models = {"popularity": recipes.Recipe("popularity")}
    of = {"models": models, "best": "popularity"}
    sets = {
        "users": replace(recipes.SETS["beauty"], folder="u", parts=partial(recipes.of_users, "u"), **of),
        "sessions": replace(recipes.SETS["diginetica"], folder="s", parts=partial(recipes.of_sessions, "s"), **of),
    }
    for module in (sequences, kept, peers):
        monkeypatch.setattr(module, "SETS", sets)
    monkeypatch.setattr(peers, "SEEDS", (0, 1))
    monkeypatch.setattr(peers, "How", lambda **more: replace(QUICK, **more))
    monkeypatch.setattr(kept, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(result, "FOLDER", tmp_path / "results")
    monkeypatch.setattr(result, "commit", lambda: "here")
    kept.parts_of.cache_clear()
    yield tmp_path
    kept.parts_of.cache_clear()


def test_every_prefix_is_a_sample_of_its_last_items_and_what_comes_next():
    samples = recbole._prefixes([np.array([7]), np.array([], dtype=int), np.array([1, 2, 3, 4])], 2, "cpu")
    batch = samples.batch(torch.arange(3))
    assert batch["item_id_list"].tolist() == [[1, 0], [1, 2], [2, 3]]
    assert batch["item_length"].tolist() == [1, 2, 2]
    assert samples.items[samples.ends].tolist() == [2, 3, 4]


@pytest.mark.parametrize("n", [1, 2, 40])
def test_short_samples_apart_make_the_loss_of_the_batch(standin, n):
    model = recbole.built("sasrec", ITEMS + 1)
    samples = recbole._prefixes(histories(), 6, "cpu")
    rows = torch.randperm(len(samples.ends))[:n]
    batch = {**samples.batch(rows), "item_id": samples.items[samples.ends[rows]]}
    torch.testing.assert_close(recbole._loss(model, samples, rows), model.calculate_loss(batch))


def test_a_history_is_asked_for_with_all_of_its_items_and_none_of_them_is_offered(standin):
    model = recbole.built("sasrec", ITEMS + 1)
    with torch.no_grad():
        model.table.weight.zero_()
        model.table.bias.copy_(torch.arange(ITEMS + 1.0))
    known, wanted = [np.array([20, 19]), np.array([18]), np.array([20])], np.array([18, 0, 18])
    for seen, gain in ((True, (1 + 1 / np.log2(3)) / 2), (False, 1 / np.log2(4))):
        asked = recbole._Asked(known, wanted, QUICK, seen)
        assert asked.ndcg(model) == pytest.approx(gain)


def test_training_stops_where_nothing_was_better_and_the_best_epoch_stays(standin, monkeypatch):
    scores = iter([0.1, 0.3, 0.3, 0.2, 0.2, 0.2, 0.9])
    monkeypatch.setattr(recbole._Asked, "ndcg", lambda *_: next(scores))
    learned, wanted, heard = histories(), np.ones(60, dtype=int), []
    found = recbole.train(
        learned, wanted, ITEMS + 1, how=replace(QUICK, patience=2), note=lambda *said: heard.append(said)
    )
    assert (found.epoch, found.epochs, found.valid, found.ended) == (3, 6, 0.3, "patience")
    assert [(epoch, score) for epoch, _, score in heard][:2] == [(1, 0.1), (2, 0.3)]
    three = recbole.train(learned, None, ITEMS + 1, how=replace(QUICK, epochs=3))
    assert torch.equal(found.model.table.weight, three.model.table.weight)


def test_what_comes_next_is_learned(standin):
    learned = histories()
    wanted = np.array([items[-1] % ITEMS + 1 for items in learned])
    found = recbole.train(learned, wanted, ITEMS + 1, "gru4rec", how=QUICK, mask_seen=False)
    assert found.valid > 0.9
    assert recbole._Asked(learned, wanted, QUICK, False).ndcg(found.model) == pytest.approx(found.valid)


def test_a_seed_gives_the_same_model_again_and_another_one_another(standin):
    weights = [
        recbole.train(histories(), None, ITEMS + 1, seed=s, how=replace(QUICK, epochs=2)).model for s in (1, 1, 2)
    ]
    one, again, other = (model.table.weight for model in weights)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_without_what_to_stop_by_all_epochs_are_done_and_time_ends_them_too(standin):
    found = recbole.train(histories(), None, ITEMS + 1, how=replace(QUICK, epochs=3))
    assert (found.epoch, found.epochs, found.ended, found.valid) == (3, 3, "epochs", None)
    found = recbole.train(histories(), None, ITEMS + 1, how=replace(QUICK, seconds=-1.0))
    assert (found.epoch, found.ended) == (1, "seconds")


@pytest.mark.parametrize("items", [[0, 1], [1, ITEMS + 1]])
def test_a_code_that_is_none_is_refused(standin, items):
    with pytest.raises(ValueError, match="codes are 1 to 20"):
        recbole.train([np.array(items)], None, ITEMS + 1)


def test_what_is_written_is_read_again(standin, tmp_path):
    found = recbole.train(histories(), None, ITEMS + 1, seed=3, how=replace(QUICK, epochs=1))
    recbole.write(tmp_path / "x", found)
    again = recbole.read(tmp_path / "x")
    assert recbole._told(again) == recbole._told(found)
    states = found.model.state_dict(), again.model.state_dict()
    assert list(states[0]) == list(states[1])
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_items_move_to_the_front_and_unknown_ones_are_left_out(standin):
    model = recbole.built("sasrec", ITEMS + 1)
    model.full_sort_predict = lambda columns: columns
    asked = torch.tensor([[0, 0, 3, 9], [5, 0, 6, 7], [1, 2, 3, 4], [0, 0, 0, 0]])
    columns = peers.Peer(model, 4)(asked)
    assert columns["item_id_list"].tolist() == [[3, 9, 0, 0], [5, 6, 7, 0], [1, 2, 3, 4], [0, 0, 0, 0]]
    assert columns["item_length"].tolist() == [2, 3, 4, 1]


@pytest.mark.parametrize("name", ["users", "sessions"])
def test_a_peer_has_its_row_in_the_table_without_recbole(small, monkeypatch, name):
    peers.main([name])
    for module in [module for module in sys.modules if module.partition(".")[0] == "recbole"]:
        monkeypatch.setitem(sys.modules, module, None)
    sequences.before(name, peers.SETS[name])
    table = json.loads((small / "results" / f"sequences_{name}.json").read_text())
    rows = {row[0]: row for row in table["rows"]}
    for label in peers.PEERS:
        row = rows[label]
        assert row[1:3] == [2, 4 * ((ITEMS + 1) * 33)]
        assert row[4] > 0.9 > rows["popularity"][4]
        assert isinstance(row[6], float)
    assert any("RecBole" in note and "epochs" in note for note in table["notes"])
    monkeypatch.setattr(peers, "judge", None)
    peers.main([name])
    sequences.before(name, peers.SETS[name], ["popularity", "recbole"])
    assert json.loads((small / "results" / f"sequences_{name}.json").read_text())["rows"] == table["rows"]
    sequences.before(name, peers.SETS[name], ["popularity"])
    again = json.loads((small / "results" / f"sequences_{name}.json").read_text())
    assert again["rows"] == table["rows"]
    assert next(note for note in table["notes"] if "RecBole" in note and "epochs" in note) in again["notes"]
    assert any(note.startswith("Measured in an earlier run: ") and "popularity" not in note for note in again["notes"])


@pytest.mark.parametrize("name", ["users", "sessions"])
def test_what_stops_the_training_is_what_the_evaluator_finds_on_validation(small, name):
    peers.arrays(name, small / "arrays")
    file, parts = np.load(small / "arrays"), kept.parts_of(name, True)
    asked = np.split(file["asked_items"], file["asked_starts"][1:-1])
    model = recbole.built("sasrec", int(file["n_items"]), 6)
    mine = recbole._Asked(asked, file["valid"], QUICK, bool(file["mask_seen"])).ndcg(model)
    assert mine == pytest.approx(parts.scores(peers.Peer(model, 6), 10).mean["ndcg@10"])
    assert 0 < mine < 1


def test_of_a_graphics_card_no_seconds_of_a_processor_are_told(small):
    peers.arrays("users", small / "arrays")
    recbole.write(small / "x", replace(recbole.trained(small / "arrays", "sasrec", 0, QUICK), device="cuda"))
    peers.judge("users", "sasrec", 0, small / "x")
    sequences.before("users", peers.SETS["users"])
    table = json.loads((small / "results" / "sequences_users.json").read_text())
    row = next(row for row in table["rows"] if row[0].startswith("RecBole"))
    assert (row[1], row[5], row[6]) == (1, None, None)
    assert any("graphics card" in note for note in table["notes"])


def test_of_sessions_what_was_held_out_is_learned_in_the_end(small):
    peers.arrays("sessions", small / "arrays")
    file = np.load(small / "arrays")
    first, whole = len(file["items"]), len(file["all_items"])
    assert first < whole
    np.testing.assert_array_equal(file["all_items"][:first], file["items"])
    assert (file["valid"] > 0).all()
    heard = []
    how = replace(QUICK, patience=2, epochs=30)
    found = recbole.trained(small / "arrays", "sasrec", 0, how, lambda *said: heard.append(said))
    assert found.epochs == sum(score is not None for *_, score in heard)
    assert found.epoch == sum(score is None for *_, score in heard)


def test_of_users_nothing_is_learned_from_the_test_or_validation_items(small):
    peers.arrays("users", small / "arrays")
    file, split = np.load(small / "arrays"), kept.parts_of("users", False).learn
    np.testing.assert_array_equal(file["items"], split.train.histories().items)
    np.testing.assert_array_equal(file["asked_items"], split.train.histories().items)
    np.testing.assert_array_equal(file["valid"], split.valid["item"])
    assert "all_items" not in file


def test_the_file_of_another_model_is_refused(small):
    recbole.write(small / "x", recbole.train(histories(), None, ITEMS + 1, how=replace(QUICK, epochs=1)))
    with pytest.raises(ValueError, match="has sasrec of seed 0"):
        peers.judge("users", "gru4rec", 0, small / "x")
    with pytest.raises(ValueError, match="has sasrec of seed 0"):
        peers.judge("users", "sasrec", 1, small / "x")


@pytest.mark.parametrize("model", list(recbole.MODELS))
def test_the_models_of_recbole_take_what_they_are_given(model):
    pytest.importorskip("recbole")
    learned = histories()
    wanted = np.array([items[-1] % ITEMS + 1 for items in learned])
    found = recbole.train(learned, wanted, ITEMS + 1, model, how=replace(QUICK, epochs=2, lr=1e-3))
    asked = torch.tensor([[0, 0, 3, 9], [0, 5, 6, 7]])
    with torch.no_grad():
        scores = peers.Peer(found.model, 6)(asked)
        alone = found.model.full_sort_predict({"item_id_list": asked[:1, 2:], "item_length": torch.tensor([2])})
    samples = recbole._prefixes(learned, 6, "cpu")
    rows = torch.arange(40)
    batch = {**samples.batch(rows), "item_id": samples.items[samples.ends[rows]]}
    torch.testing.assert_close(recbole._loss(found.model, samples, rows), found.model.calculate_loss(batch))
    assert scores.shape == (2, ITEMS + 1)
    torch.testing.assert_close(scores[:1], alone, rtol=1e-4, atol=1e-5)
