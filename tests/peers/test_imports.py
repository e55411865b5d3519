"""What is imported from a configuration, beside what the library itself loads by it: the same rows in the same parts.

Skipped where a library is not installed; RecBole wants numpy<2 and pandas<3, and recprune without its own pins.
"""

import importlib
import importlib.util
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from recprune.data.dataset import Split
from recprune.evaluation.evaluate import evaluate
from recprune.integrations.configs import prepare_config

sys.path.append(str(Path(__file__).parents[2]))
quiet = importlib.import_module("benchmarks.quiet").quiet
NEW_NUMPY = int(np.__version__.partition(".")[0]) > 1
needs_recbole = pytest.mark.skipif(
    importlib.util.find_spec("recbole") is None or NEW_NUMPY, reason="recbole is not installed, or not with numpy<2"
)
needs_fuxictr = pytest.mark.skipif(importlib.util.find_spec("fuxictr") is None, reason="fuxictr is not installed")


def atomic(folder, *, once=False):
    """A random log with equal times, in RecBole's format; `once`: nobody has an item twice."""
    draw = np.random.default_rng(0)
    rows = [
        (f"u{u}", f"i{draw.integers(60)}", draw.integers(1, 6), draw.integers(900)) for u in range(80) for _ in range(u)
    ]
    rows = [rows[n] for n in draw.permutation(len(rows))]
    rows = list({row[:2]: row for row in rows}.values()) if once else rows
    head = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
    (folder / "tiny").mkdir()
    lines = (f"{u}\t{i}\t{r}\t{1_600_000_000 + 7 * t}" for u, i, r, t in rows)
    (folder / "tiny/tiny.inter").write_text("\n".join([head, *lines]) + "\n")


LOADED = "load_col: {inter: [user_id, item_id, rating, timestamp]}\n"
WAYS = {
    "nothing said": "",
    "LS": "eval_args: {split: {LS: valid_and_test}, order: TO}",
    "LS test": "eval_args: {split: {LS: test_only}, order: TO}",
    "RS in time order": "eval_args: {split: {RS: [8, 1, 1]}, order: TO}",
    "RS in time order, ungrouped": "eval_args: {split: {RS: [7, 1, 2]}, order: TO, group_by: none}",
    "RS at random, ungrouped": "eval_args: {split: {RS: [7, 1, 2]}, order: RO, group_by: none}\nseed: 7",
    "TS": "eval_args: {split: {TS: [7, 1, 2]}, order: TO}",
    "cores": "user_inter_num_interval: '[20,inf)'\nitem_inter_num_interval: '(30,inf)'",
    "times to 0..1": "normalize_all: true\neval_args: {split: {LS: valid_and_test}, order: TO}",
    "labels": "threshold: {rating: 4}\neval_args: {split: {LS: valid_and_test}, order: TO}",
}


def loaded(path):
    """RecBole's configuration and its data, as `run_recbole` begins."""
    from recbole.config import Config
    from recbole.data import create_dataset
    from recbole.utils import init_seed

    more = {"data_path": str(path.parent), "state": "ERROR", "use_gpu": False, "show_progress": False}
    with quiet():
        config = Config(model="BPR", dataset="tiny", config_file_list=[str(path)], config_dict=more)
        init_seed(config["seed"], config["reproducibility"])
        return config, create_dataset(config)


def pairs(dataset, part):
    users, items = part.inter_feat["user_id"].numpy(), part.inter_feat["item_id"].numpy()
    return sorted(zip(dataset.id2token("user_id", users), dataset.id2token("item_id", items), strict=True))


def ours(split, part):
    columns = (split.vocabularies[name].decode(part[name].tolist()) for name in ("user", "item"))
    return sorted(zip(*columns, strict=True))


@needs_recbole
@pytest.mark.parametrize("way", WAYS)
def test_the_rows_that_recbole_parts_stand_in_the_same_parts(tmp_path, way):
    atomic(tmp_path)
    path = tmp_path / "tiny.yaml"
    path.write_text(f"dataset: tiny\n{LOADED}{WAYS[way]}\n")
    _, dataset = loaded(path)
    parts = dataset.build()
    split = prepare_config(path, tmp_path / "tiny").prepared.split
    assert len(split.vocabularies["user"].ids) == dataset.user_num - 1
    assert len(split.vocabularies["item"].ids) == dataset.item_num - 1
    for theirs, mine in zip(parts, (split.train, split.valid, split.test), strict=True):
        assert len(theirs.inter_feat) == len(mine)
        assert (pairs(dataset, theirs) if len(mine) else []) == ours(split, mine)


@needs_recbole
def test_a_model_that_recbole_trained_is_as_good_by_our_evaluation_as_by_its_own(tmp_path):
    from recbole.data import data_preparation
    from recbole.trainer import Trainer
    from recbole.utils import get_model

    atomic(tmp_path, once=True)
    path = tmp_path / "tiny.yaml"
    metrics = "metrics: [Recall, NDCG, Hit, Precision]\ntopk: [10]\nmetric_decimal_place: 12\nvalid_metric: NDCG@10"
    path.write_text(f"dataset: tiny\n{LOADED}{WAYS['LS']}\n{metrics}\nepochs: 2\nembedding_size: 8\n")
    config, dataset = loaded(path)
    with quiet():
        train, valid, test = data_preparation(config, dataset)
        model = get_model("BPR")(config, train._dataset)
        trainer = Trainer(config, model)
        trainer.saved_model_file = str(tmp_path / "model.pth")
        trainer.fit(train, valid, show_progress=False)
        found = dict(trainer.evaluate(test, load_best_model=False))
    split: Split = prepare_config(path, tmp_path / "tiny").prepared.split
    mean = evaluate(Scored(model, dataset, split), split, k=10).mean
    for name, mine in (("recall", "recall"), ("ndcg", "ndcg"), ("hit", "hit"), ("precision", "precision")):
        assert mean[f"{mine}@10"] == pytest.approx(found[f"{name}@10"], abs=1e-6)


class Scored(torch.nn.Module):
    """RecBole's two tables in the order of our codes."""

    columns = ("user",)

    def __init__(self, model, dataset, split):
        super().__init__()
        users, items = (split.vocabularies[name].ids for name in ("user", "item"))
        of_users = torch.tensor([0, *dataset.token2id("user_id", list(users))])
        of_items = torch.tensor([0, *dataset.token2id("item_id", list(items))])
        self.users = model.user_embedding.weight.detach()[of_users]
        self.items = model.item_embedding.weight.detach()[of_items]

    def forward(self, user):
        return self.users[user] @ self.items.T


FUXI = """
tiny:
    data_root: {root}
    data_format: csv
    train_data: {root}/train.csv
    valid_data: {root}/valid.csv
    test_data: {root}/test.csv
    min_categr_count: {least}
    feature_cols:
        - {{name: [userid, shop], active: true, dtype: str, type: categorical}}
        - {{name: price, active: true, dtype: float, type: numeric}}
        - {{name: seen, active: true, dtype: str, type: sequence, max_len: 3, padding: {padding}}}
        - {{name: day, active: false, dtype: str, type: categorical}}
    label_col: {{name: clk, dtype: float}}
"""


def clicks(folder):
    draw = np.random.default_rng(0)
    for part, count in (("train", 300), ("valid", 60), ("test", 60)):
        lines = ["clk,userid,shop,price,seen,day"]
        for _ in range(count):
            seen = "^".join(f"s{draw.zipf(1.6) % 40}" for _ in range(draw.integers(0, 6)))
            shop = "" if draw.random() < 0.1 else f"s{draw.zipf(1.5) % 50}"
            lines.append(f"{draw.integers(2)},u{draw.integers(40)},{shop},{draw.random():.3f},{seen},d1")
        (folder / f"{part}.csv").write_text("\n".join(lines) + "\n")


def scanned(file, made):
    """Its `read_data`, whose keyword polars 2 has renamed."""
    return pl.scan_csv(file, schema_overrides=made.dtype_dict)


@needs_fuxictr
@pytest.mark.parametrize(("least", "padding"), [(1, "post"), (3, "pre")])
def test_rows_ids_and_values_are_those_that_fuxictr_encodes(tmp_path, least, padding):
    """A sequence is a set of ids here: what stands in it twice counts once."""
    from fuxictr.preprocess import FeatureProcessor
    from fuxictr.utils import load_dataset_config

    clicks(tmp_path)
    (tmp_path / "dataset_config").mkdir()
    path = tmp_path / "dataset_config/tiny.yaml"
    path.write_text(FUXI.format(root=tmp_path, least=least, padding=padding))
    with quiet():
        said = load_dataset_config(str(tmp_path), "tiny")
        made = FeatureProcessor(
            dataset_id="tiny", **{name: said[name] for name in ("feature_cols", "label_col", "data_root")}
        )
        read = {part: made.preprocess(scanned(said[f"{part}_data"], made)) for part in ("train", "valid", "test")}
        made.fit(read["train"], min_categr_count=least)
        theirs = {p: made.transform(frame.collect().to_dict(as_series=False)) for p, frame in read.items()}
    split = prepare_config(path, tmp_path).prepared.split
    words = {name: made.processor_dict[f"{name}::tokenizer"].vocab for name in ("userid", "shop", "seen")}
    for name, vocab in words.items():
        beyond = set(vocab) - {"__PAD__", "__OOV__", *split.vocabularies[name].ids}
        assert set(split.vocabularies[name].ids) < set(vocab)
        assert not beyond or name == "seen", "what stands beyond the cut of every sequence alone has a row there"
    for part, mine in (("train", split.train), ("valid", split.valid), ("test", split.test)):
        assert mine["label"].tolist() == theirs[part]["clk"]
        assert mine["price"].tolist() == pytest.approx(theirs[part]["price"], abs=1e-6)
        for name in ("userid", "shop", "seen"):
            ids = {code: word for word, code in words[name].items() if not word.startswith("__")}
            wanted = [sorted({ids[c] for c in np.ravel(row) if c in ids}) for row in theirs[part][name]]
            codes = [[c for c in np.ravel(row).tolist() if c] for row in mine[name]]
            assert [sorted(split.vocabularies[name].decode(row)) for row in codes] == wanted
