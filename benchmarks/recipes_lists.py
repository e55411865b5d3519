"""The recommenders of lists in the benchmarks: data sets, models with the settings that validation chose, and peers.

Each set has a split to choose by, with a validation part, and one to be judged by, whose models learn from all that the
published ones learned from. Nothing here reads the test part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from benchmarks.recipes import GOWALLA_FISM, folder, gowalla, ml100k, movietweetings, online_retail
from torch import nn

from recprune.data.dataset import Split
from recprune.data.log import clean
from recprune.data.read import read
from recprune.data.split import split_given
from recprune.models._item_item import item_item
from recprune.models.build import build
from recprune.training.fit import fit
from recprune.training.options import FitOptions

__all__ = ["SETS", "ListData", "books", "movies"]

Make = Callable[[Split, int], nn.Module]
"""(split, seed) -> a trained model."""


@dataclass(frozen=True, slots=True)
class ListData:
    """title; split(valid) -> the parts; k of the lists; models by name; which of them draw numbers, and so are trained
    for every seed; best: the one that is pruned; published: (who, recall, NDCG)."""

    title: str
    split: Callable[[bool], Split]
    k: int
    models: Mapping[str, Make]
    best: str
    drawn: frozenset[str] = frozenset()
    published: tuple[tuple[str, float | None, float | None], ...] = ()
    notes: tuple[str, ...] = ()


def movies(valid: bool) -> Split:
    """MovieLens 1M in the parts of LightGCN++ (Lee et al. 2024); validation is left out where it is not asked for."""
    parts = (clean(read(folder("ml-1m") / f"lightgcnpp.{p}.txt.gz", "adjacency")) for p in ("train", "test", "valid"))
    return _blind(split_given(*parts), valid)


def books(valid: bool) -> Split:
    """Amazon Book in the parts of KGAT (Wang et al. 2019); a tenth of the training pairs is validation where asked."""
    at = folder("amazon-book-kgat")
    given = split_given(*(clean(read(at / f"{p}.txt.gz", "adjacency")) for p in ("train", "test")))
    held = np.random.default_rng(0).random(len(given.train)) < 0.1
    return Split(given.train.take(~held), given.train.take(held), given.test) if valid else given


def checkins(valid: bool) -> Split:
    """Gowalla in the parts of NGCF (Wang et al. 2019)."""
    return gowalla(0.1 if valid else 0.0)


def _blind(split: Split, valid: bool) -> Split:
    return split if valid else replace(split, valid=split.valid.take(np.zeros(len(split.valid), bool)))


def closed(name: str, **options: object) -> Make:
    """A model that is solved in closed form."""

    def make(split: Split, seed: int) -> nn.Module:
        model = build(name, split, seed=seed, **options)
        fit(model, split)
        return model

    return make


def trained(name: str, options: FitOptions, **of: object) -> Make:
    """A model that learns for a fixed number of epochs."""

    def make(split: Split, seed: int) -> nn.Module:
        model = build(name, split, seed=seed, **of)
        fit(model, split, replace(options, seed=seed))
        return model

    return make


def implicit_als(dim: int, reg: float, alpha: float, sweeps: int) -> Make:
    """ALS of the library implicit, judged here: its factors in a factorisation without biases."""

    def make(split: Split, seed: int) -> nn.Module:
        from implicit.cpu.als import AlternatingLeastSquares

        peer = AlternatingLeastSquares(
            factors=dim, regularization=reg, alpha=alpha, iterations=sweeps, num_threads=1, random_state=seed
        )
        peer.fit(split.train.histories().matrix(unknown=False), show_progress=False)
        model = build("mf", split, dim=dim, bias=False)
        with torch.no_grad():
            model.user.weight.copy_(torch.from_numpy(np.asarray(peer.user_factors)))  # type: ignore[union-attr, operator]
            model.item.weight.copy_(torch.from_numpy(np.asarray(peer.item_factors)))  # type: ignore[union-attr, operator]
        return model

    return make


def implicit_items(kind: str, k: int) -> Make:
    """Item-item rows of the library implicit, judged here: "Cosine", "TFIDF" or "BM25", k neighbours an item."""

    def make(split: Split, seed: int) -> nn.Module:
        from implicit import nearest_neighbours

        peer = getattr(nearest_neighbours, f"{kind}Recommender")(K=k, num_threads=1)
        peer.fit(split.train.histories().matrix(unknown=False), show_progress=False)
        model = build("item_knn", split, k=k)
        model.items = item_item(peer.similarity.T.tocsr(), torch.float32)
        model.config["entries"] = len(model.items.values)  # type: ignore[index, union-attr, arg-type]
        return model

    return make


def small(
    split: Callable[[float], Split],
    title: str,
    chosen: str,
    *,
    knn: Mapping[str, float],
    spectral: int,
    als: int,
    ease: Mapping[str, float],
    slim: Mapping[str, float],
    fism: int = 30,
    users: Mapping[str, Make] | None = None,
) -> ListData:
    """A set of the last 20 % of every user, beside the models of implicit; validation is a tenth before them. Settings
    that validation chose: options of item_knn, ease and slim, dims of spectral and als, epochs of fism. users: models
    that have a row for every user."""
    users = users or {}
    models = {
        "popularity": closed("popularity"),
        "item_knn": closed("item_knn", **knn),
        f"spectral (GF-CF), {spectral} dims": closed("spectral", dim=spectral),
        f"als, {als} dims": closed("als", dim=als, alpha=0.2, reg=0.01),
        FISM_64: trained("fism", replace(FISM, epochs=fism)),
        **users,
        "ease": closed("ease", **ease),
        "slim": closed("slim", **slim),
        **{f"implicit: {kind}, 200": implicit_items(name, 200) for kind, name in IMPLICIT.items()},
        "implicit: ALS, 32 dims": implicit_als(32, 30.0, 5.0, 15),
        "implicit: ALS, 64 dims": implicit_als(64, 30.0, 20.0, 15),
    }

    def parts(valid: bool) -> Split:
        return split(0.1 if valid else 0.0)

    return ListData(title, parts, 20, models, "ease", frozenset({FISM_64, *users}), notes=(chosen,))


def factors(name: str, how: FitOptions, lr: float, epochs: int, of: int | None = None, **more: object) -> Make:
    """A factorisation of 64 dims that learns from pairs of a user and an item. of: epochs that the step size falls
    over, where validation was best before."""
    return trained(name, replace(how, lr=lr, epochs=epochs, of=of), dim=64, **more)


IMPLICIT = {"cosine": "Cosine", "TFIDF": "TFIDF", "BM25": "BM25"}
FISM_64 = "fism, 64 dims"
FISM = FitOptions(epochs=30, batch=128, lr=0.03, decay=0.0, schedule="linear", hidden=0.75, metric="recall", every=30)
PAIRS = FitOptions(batch=2048, decay=0.0, schedule="linear")
BPR = replace(PAIRS, loss="bpr", negatives=1, popularity=0.0)
DRAWN = replace(PAIRS, batch=1024, popularity=0.0)
SPECTRAL = {"start": "spectral"}

SETS: Mapping[str, ListData] = {
    "gowalla": ListData(
        "Gowalla",
        checkins,
        20,
        {
            "popularity": closed("popularity"),
            "item_knn": closed("item_knn", k=100, shrink=0.0),
            "spectral (GF-CF), 256 dims": closed("spectral"),
            "als, 64 dims": closed("als", dim=64, alpha=0.01, reg=0.002),
            "implicit: ALS, 64 dims": implicit_als(64, 30.0, 20.0, 8),
            "fism, 64 dims": trained("fism", GOWALLA_FISM),
            "mixture, 64 dims": trained("mixture", GOWALLA_FISM, k=100),
            "slim": closed("slim", k=50, reg=100.0, user_power=0.5, dropout=0.4, item_power=0.1),
        },
        "mixture, 64 dims",
        frozenset({"mixture, 64 dims"}),
        (
            ("SimpleX", 0.1872, 0.1557),
            ("UltraGCN", 0.1862, 0.1580),
            ("GF-CF", 0.1849, 0.1518),
            ("LightGCN", 0.1830, 0.1554),
            ("EASE", 0.1765, 0.1467),
        ),
        (
            "On validation (a tenth of train), recall@20 / NDCG@20: spectral 0.2101 / 0.1120, fism 0.2109 / 0.1128, "
            "mixture, whose factors are those of fism, 0.2262 / 0.1215; slim, k 50, reg 50: 0.2221 / 0.1251; reg 100, "
            "user_power 0.5, dropout 0.4, item_power 0.1: 0.2243 / 0.1255; no other settings of it were tried",
        ),
    ),
    "ml-1m": ListData(
        "MovieLens 1M",
        movies,
        10,
        {
            "popularity": closed("popularity"),
            "item_knn": closed("item_knn"),
            "spectral (GF-CF), 256 dims": closed("spectral"),
            "als, 64 dims": closed("als", dim=64, alpha=0.1, reg=0.01),
            "implicit: ALS, 64 dims": implicit_als(64, 0.01, 1.0, 15),
            "ease, as in the paper": closed("ease", reg=500.0),
            "ease": closed("ease", reg=500.0, user_power=0.75, dropout=0.4, item_power=0.1),
            "slim": closed("slim", k=200, reg=250.0, user_power=0.75, dropout=0.4, item_power=0.1),
        },
        "ease",
        published=(("LightGCN++", 0.1667, 0.3243), ("LightGCN", 0.1495, 0.2977), ("BPR-MF", 0.1291, 0.2677)),
        notes=(
            "Of ease on validation, recall@10 / NDCG@10, one thing after the other: reg 500: 0.1657 / 0.1898; "
            "user_power 0.25, 0.5, 0.75, 1: 0.1675, 0.1692, 0.1711, 0.1709; with dropout 0.4: 0.1716 / 0.1948; with "
            "item_power 0.1: 0.1745 / 0.1968",
            "slim on validation: reg 500, k 100: 0.1554 / 0.1818; with the powers and the dropout of ease, reg 500, k "
            "50, 100, 200, 400: 0.1586 / 0.1812, 0.1676 / 0.1889, 0.1709 / 0.1921, 0.1726 / 0.1946; k 100, reg 1000: "
            "0.1640 / 0.1853; k 200, reg 250: 0.1722 / 0.1934, half the bytes of k 400",
        ),
    ),
    "amazon-book": ListData(
        "Amazon Book",
        books,
        20,
        {
            "popularity": closed("popularity"),
            "item_knn": closed("item_knn"),
            "implicit: ALS, 64 dims": implicit_als(64, 30.0, 20.0, 8),
            "ease, as in the paper": closed("ease", reg=100.0),
            "ease": closed("ease", reg=200.0, user_power=0.35, dropout=0.7, item_power=0.1),
        },
        "ease",
        published=(("KGIN (from memory)", 0.1687, None), ("KGAT", 0.1503, None)),
        notes=(
            "Of ease on validation (a tenth of train), recall@20 / NDCG@20: reg 50, user_power 0.5, dropout 0.5, "
            "item_power 0.1: 0.2367 / 0.1438; reg 196, dropout 0.7, item_power 0.1 and user_power 0.2, 0.3, 0.35, 0.4: "
            "0.2461 / 0.1454, 0.2468 / 0.1455, 0.2469 / 0.1454, 0.2462 / 0.1451; user_power 0.3, reg 140 and 280: "
            "0.2464 / 0.1465, 0.2465 / 0.1441; 68 settings were tried",
        ),
    ),
    "ml-100k": small(
        ml100k,
        "MovieLens 100K",
        "On validation, recall@20 / NDCG@20: ease reg 50, 100, 200, 400: 0.2240 / 0.1613, 0.2317 / 0.1665, 0.2341 / "
        "0.1693, 0.2331 / 0.1686, and not better with user_power, dropout and item_power (0.2314 / 0.1676); item_knn, "
        "k 200: 0.2336 / 0.1731; slim, k 100, reg 100, 200, 300, 400: 0.2380 / 0.1729, 0.2436 / 0.1750, 0.2377 / "
        "0.1714, 0.2362 / 0.1702; k 20 and 50, reg 50 and 100: 0.2316 / 0.1676, 0.2401 / 0.1721; reg 200, k 75, 200, "
        "400: 0.2390 / 0.1717, 0.2374 / 0.1723, 0.2340 / 0.1694, no better with user_power or item_power; fism "
        "0.2267 / 0.1601; implicit's ALS, 64 dims: 0.2346 / 0.1619; mf by bpr 0.2142 / "
        "0.1476, lightgcn by bpr 0.2168 / 0.1500, from drawn factors 0.2096 / 0.1455; by softmax mf 0.2304 / 0.1622, "
        "lightgcn 0.2254 / 0.1603; ultragcn, negative 300, 30, 10: 0.1119 / 0.0780, 0.2158 / 0.1525, 0.2159 / 0.1513",
        knn={"k": 200, "shrink": 0.0},
        spectral=128,
        als=64,
        ease={"reg": 200.0},
        slim={"k": 100, "reg": 200.0},
        users={
            "mf, bpr": factors("mf", BPR, 5e-3, 20, 30, bias=False, **SPECTRAL),
            "mf, softmax": factors("mf", replace(PAIRS, batch=4096, schedule="constant"), 0.01, 12, bias=False),
            "lightgcn, bpr": factors("lightgcn", BPR, 0.02, 30, **SPECTRAL),
            "lightgcn, softmax": factors("lightgcn", PAIRS, 0.02, 10, **SPECTRAL),
            "ultragcn": factors("ultragcn", DRAWN, 0.01, 40, negative=30.0),
        },
    ),
    "movietweetings": small(
        movietweetings,
        "MovieTweetings 100K",
        "On validation, recall@20 / NDCG@20: ease reg 400: 0.2774 / 0.1364; reg 300, user_power 0.5, dropout 0.4: "
        "0.2822 / 0.1381; user_power 0.25, dropout 0.5, item_power 0.1: 0.2852 / 0.1388; spectral, 32 dims: 0.2866 / "
        "0.1381; item_knn, k 200: 0.2746 / 0.1357; slim, k 100, reg 200 and 400: 0.2719 / 0.1337, 0.2748 / 0.1352; as "
        "ease is, k 50, 100, 200: 0.2792 / 0.1355, 0.2838 / 0.1374, 0.2819 / 0.1372, k 100, reg 600: 0.2829 / 0.1374; "
        "implicit's ALS, 32 dims: 0.2373 / 0.1141; mf by bpr 0.2667 / "
        "0.1235, lightgcn by bpr 0.2666 / 0.1279, both best early; by softmax mf 0.2709 / 0.1295, lightgcn 0.2714 / "
        "0.1289; ultragcn, negative 30, item_item 5e-4, 0.05, 0.5, 2.75: 0.2418 / 0.1231, 0.2466 / 0.1258, 0.2497 / "
        "0.1267, 0.2581 / 0.1300",
        knn={"k": 200, "shrink": 20.0},
        spectral=32,
        als=32,
        ease={"reg": 300.0, "user_power": 0.25, "dropout": 0.5, "item_power": 0.1},
        slim={"k": 100, "reg": 300.0, "user_power": 0.25, "dropout": 0.5, "item_power": 0.1},
        fism=15,
        users={
            "mf, bpr": factors("mf", BPR, 5e-3, 5, 20, bias=False, **SPECTRAL),
            "mf, softmax": factors("mf", PAIRS, 5e-3, 8, bias=False, **SPECTRAL),
            "lightgcn, bpr": factors("lightgcn", BPR, 0.02, 5, 20, **SPECTRAL),
            "lightgcn, softmax": factors("lightgcn", PAIRS, 0.01, 4, 8, **SPECTRAL),
            "ultragcn": factors("ultragcn", DRAWN, 0.01, 24, negative=30.0, item_item=2.75),
        },
    ),
    "online-retail": small(
        online_retail,
        "Online Retail",
        "On validation, recall@20 / NDCG@20: ease reg 50: 0.1677 / 0.1086; reg 300, user_power 0.5: 0.1752 / 0.1102; "
        "with dropout 0.4: 0.1758 / 0.1113; with item_power 0.2: 0.1823 / 0.1165; item_knn, k 50: 0.1690 / 0.1099; "
        "spectral, 128 dims: 0.1541 / 0.0929; slim, k 100, reg 100 and 300: 0.1799 / 0.1163, 0.1800 / 0.1148; as ease "
        "is, k 50, 100, 200: 0.1828 / 0.1176, 0.1816 / 0.1170, 0.1842 / 0.1179; k 100, reg 600: 0.1815 / 0.1151",
        knn={"k": 50, "shrink": 0.0},
        spectral=128,
        als=64,
        ease={"reg": 300.0, "user_power": 0.5, "dropout": 0.4, "item_power": 0.2},
        slim={"k": 200, "reg": 300.0, "user_power": 0.5, "dropout": 0.4, "item_power": 0.2},
    ),
}
