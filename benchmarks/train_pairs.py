"""What `benchmarks.train_speed` sets side by side: a model of ours and one of another package, of the same shapes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
from benchmarks.recipes import frappe, ml100k
from benchmarks.train_peers import Train

from benchmarks import train_peers as peers
from recprune.data.dataset import Dataset, Split
from recprune.data.negatives import with_negatives
from recprune.models.build import build
from recprune.training.fit import Epoch, FitOptions, fit
from recprune.training.state import BeforeEpoch

__all__ = ["PAIRS", "Pair", "clicks", "epoch", "lists", "marked", "recent", "sequences", "solved"]

LENGTH, USERS, ROWS = 20, 256, 25_600
"""Items of a sequence and users that have one; rows of clicks."""
CLICKS = 2048
WINDOWS = CLICKS // LENGTH
"""Our models of sequences learn from whole windows: as many as hold the clicks of a batch of the peers."""


@dataclass(frozen=True, slots=True)
class Pair:
    """model: ours; peer: the other, with its package; data(): what both learn from; ours(data), theirs(data): how."""

    model: str
    peer: str
    data: Callable[[], Dataset]
    ours: Callable[[Dataset], Train]
    theirs: Callable[[Dataset], Train]


def alone(data: Dataset) -> Split:
    """A split that is all train."""
    nothing = data.take(np.zeros(0, dtype=np.int64))
    return Split(data, nothing, nothing)


def epoch(name: str, options: FitOptions, of: Mapping[str, Any], data: Dataset) -> Train:
    """An epoch of `fit`, from weights as they are, with the keeping of the best ones. What comes before the first epoch
    is not in the seconds, as the reading of the data is not in those of the peers."""
    split = alone(data)
    model = build(name, split, seed=0, **of)

    def train() -> float:
        at: list[float] = []

        def note(_: int | Epoch) -> None:
            at.append(time.process_time())

        fit(model, split, options, before_epoch=BeforeEpoch(note, {}), progress=note)
        return at[1] - at[0]

    return train


def solved(name: str, of: Mapping[str, Any], data: Dataset) -> Train:
    """The whole solution."""
    split = alone(data)
    return peers.timed(lambda: fit(build(name, split, seed=0, **of), split))


@cache
def lists() -> Dataset:
    """MovieLens 100K, what all users did but the last 20 %."""
    return ml100k().train


@cache
def marked() -> Dataset:
    """The same with a drawn item that was not had beside each, as clicks."""
    return with_negatives(alone(lists()), 1).train


@cache
def sequences() -> Dataset:
    """Of some of these users the last items."""
    return recent(lists(), USERS, LENGTH + 1)


def recent(data: Dataset, users: int, items: int) -> Dataset:
    """The last items of the first users."""
    user = data["user"]
    order, counts = np.lexsort((data["time"], user)), np.bincount(user, minlength=data.n_users)
    left = np.cumsum(counts)[user[order]] - np.arange(len(user))
    return data.take(np.sort(order[(left <= items) & (user[order] <= users)]))


@cache
def clicks() -> Dataset:
    """Rows of Frappe, evenly over all of train."""
    train = frappe().train
    return train.take(np.unique(np.linspace(0, len(train) - 1, ROWS).astype(np.int64)))


BPR = FitOptions(epochs=1, batch=CLICKS, lr=1e-3, loss="bpr", negatives=1, popularity=0.0, decay=0.0)
NEXT = FitOptions(epochs=1, batch=WINDOWS, lr=1e-3, loss="softmax", decay=0.0)
ROWS_OF = FitOptions(epochs=1, batch=1024, lr=1e-3, decay=0.0)
DIMS: Mapping[str, Any] = {"dim": 64}
READ: Mapping[str, Any] = {"length": LENGTH, "start": "random"}
BOLE_READ: Mapping[str, Any] = {"MAX_ITEM_LIST_LENGTH": LENGTH, "embedding_size": 64, "hidden_size": 64}
BOLE_TOWER: Mapping[str, Any] = {"embedding_size": 16, "mlp_hidden_size": [128, 128], "dropout_prob": 0.3}
CTR_TOWER: Mapping[str, Any] = {"dnn_hidden_units": (128, 128), "dnn_dropout": 0.3, "dnn_use_bn": True}
HUB_TOWER: Mapping[str, Any] = {"mlp_params": {"dims": [128, 128], "dropout": 0.3, "activation": "relu"}}
HEIGHTS = 10


def _lists() -> list[Pair]:
    mf = partial(epoch, "mf", BPR, {**DIMS, "bias": False})
    knn = partial(solved, "item_knn", {"k": 100, "shrink": 0.0})
    als = partial(solved, "als", {**DIMS, "sweeps": 16})
    cosine, least = "nearest_neighbours.CosineRecommender", "cpu.als.AlternatingLeastSquares"
    turns = {"factors": 64, "iterations": 16, "random_state": 0}
    return [
        Pair("mf, bpr", "RecBole BPR", lists, mf, partial(peers.recbole, "BPR", CLICKS, {"embedding_size": 64})),
        Pair("mf, bpr", "implicit BPR", lists, mf, partial(peers.implicit_bpr, 64)),
        Pair(
            *("lightgcn, bpr, 2 layers", "RecBole LightGCN", lists),
            partial(epoch, "lightgcn", BPR, {**DIMS, "layers": 2}),
            partial(peers.recbole, "LightGCN", CLICKS, {"embedding_size": 64, "n_layers": 2}),
        ),
        Pair(
            *("ease", "RecBole EASE", lists),
            *(partial(solved, "ease", {}), partial(peers.recbole_solved, "EASE", {"reg_weight": 250.0})),
        ),
        Pair("item_knn", "RecBole ItemKNN", lists, knn, partial(peers.recbole_solved, "ItemKNN", {"k": 100})),
        Pair("item_knn", "implicit Cosine", lists, knn, partial(peers.implicit_solved, cosine, {"K": 100})),
        Pair("als", "implicit ALS", lists, als, partial(peers.implicit_solved, least, turns)),
    ]


def _sequences() -> list[Pair]:
    of_ours: dict[str, dict[str, Any]] = {
        "sasrec": {**READ, "layers": 1, "heads": 2, "dropout": 0.3},
        "gru4rec": {**READ, "hidden": 128, "dropout": 0.3},
        "nextitnet": {**READ, "dilations": (1, 2, 1, 2)},
    }
    of_theirs: dict[str, tuple[str, dict[str, Any]]] = {
        "sasrec": ("SASRec", {"n_layers": 1, "inner_size": 64, "hidden_dropout_prob": 0.3, "attn_dropout_prob": 0.3}),
        "gru4rec": ("GRU4Rec", {"hidden_size": 128, "num_layers": 1, "dropout_prob": 0.3}),
        "nextitnet": ("NextItNet", {"dilations": [1, 2], "block_num": 2}),
    }
    pairs = [
        Pair(
            *(model, f"RecBole {name}", sequences),
            partial(epoch, model, NEXT, of_ours[model]),
            partial(peers.recbole, name, CLICKS, {**BOLE_READ, **more}),
        )
        for model, (name, more) in of_theirs.items()
    ]
    heights = range(1, HEIGHTS + 1)
    caser = {"length": HEIGHTS, "heights": heights, "filters": 16, "vertical": 4, "dropout": 0.3}
    bole = {**BOLE_READ, "MAX_ITEM_LIST_LENGTH": HEIGHTS, "nh": 16, "nv": 4, "dropout_prob": 0.3}
    ours = partial(epoch, "caser", replace(NEXT, batch=CLICKS), caser)
    return [*pairs, Pair("caser", "RecBole Caser", sequences, ours, partial(peers.recbole, "Caser", CLICKS, bole))]


def _clicks() -> list[Pair]:
    """Of each model the peers that have it; of AutoInt the attention has the width of the vectors, and there is a tower
    where RecBole's has one."""
    attention = {"inside": 8, "layers": 3}
    ours: dict[str, Any] = {
        "lr": {},
        "fm": {},
        "wide_deep": {},
        "deepfm": {},
        "dcn": {},
        "autoint": attention,
        "autoint, with a tower": {**attention, "hidden": (128, 128)},
    }
    own = {"dnn_hidden_units": (), "att_layer_num": 3, "att_head_num": 2}
    matrix = {**CTR_TOWER, "cross_num": 3, "cross_parameterization": "matrix", "l2_reg_linear": 0, "l2_reg_cross": 0}
    cross = {**HUB_TOWER, "n_cross_layers": 3, "use_low_rank_mixture": False}
    heads = {**BOLE_TOWER, "attention_size": 16, "n_layers": 3, "num_heads": 2, "dropout_probs": [0.0, 0.3, 0.0]}
    theirs: dict[str, list[tuple[str, Any]]] = {
        "lr": [("RecBole LR", partial(peers.recbole, "LR", 1024, {}))],
        "fm": [("RecBole FM", partial(peers.recbole, "FM", 1024, BOLE_TOWER))],
        "wide_deep": _towers("WDL", "WideDeep", "WideDeep"),
        "deepfm": _towers("DeepFM", "DeepFM", "DeepFM"),
        "dcn": [
            ("deepctr-torch DCN", partial(peers.deepctr, "DCN", 1024, matrix)),
            ("torch-rechub DCNv2", partial(peers.rechub, "DCNv2", 1024, cross)),
            ("RecBole DCNV2", partial(peers.recbole, "DCNV2", 1024, {**BOLE_TOWER, "structure": "parallel"})),
        ],
        "autoint": [
            ("deepctr-torch AutoInt", partial(peers.deepctr, "AutoInt", 1024, own)),
            ("torch-rechub AutoInt", partial(peers.rechub, "AutoInt", 1024, {"num_layers": 3, "num_heads": 2})),
        ],
        "autoint, with a tower": [("RecBole AutoInt", partial(peers.recbole, "AutoInt", 1024, heads))],
    }
    of = {name: partial(epoch, name.split(",")[0], ROWS_OF, more) for name, more in ours.items()}
    pairs = [Pair(name, peer, clicks, of[name], how) for name, some in theirs.items() for peer, how in some]
    neumf = {"mf_embedding_size": 16, "mlp_embedding_size": 32, "mlp_hidden_size": [64, 32, 16], "dropout_prob": 0.0}
    two = Pair(
        *("neumf", "RecBole NeuMF", marked),
        *(partial(epoch, "neumf", ROWS_OF, {}), partial(peers.recbole, "NeuMF", 1024, neumf)),
    )
    return [*pairs, two]


def _towers(ctr: str, hub: str, bole: str) -> list[tuple[str, Any]]:
    return [
        (f"deepctr-torch {ctr}", partial(peers.deepctr, ctr, 1024, {**CTR_TOWER, "l2_reg_linear": 0})),
        (f"torch-rechub {hub}", partial(peers.rechub, hub, 1024, HUB_TOWER)),
        (f"RecBole {bole}", partial(peers.recbole, bole, 1024, BOLE_TOWER)),
    ]


PAIRS = (*_lists(), *_sequences(), *_clicks())
