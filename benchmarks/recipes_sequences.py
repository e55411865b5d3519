"""The recommenders of sequences in the benchmarks: data sets, and models with the settings that validation chose."""

from __future__ import annotations

import inspect
from ast import literal_eval
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from benchmarks.parts_sequences import Parts, of_sessions, of_users
from torch import nn

from recprune import models
from recprune.data.dataset import Split
from recprune.discover import load
from recprune.models.build import build
from recprune.training.fit import FitOptions, fit

__all__ = ["SETS", "Recipe", "SequenceData"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is made: its name, the options of its class, how it is trained (None: solved in closed form)."""

    name: str
    of: Mapping[str, Any] = field(default_factory=dict)
    options: FitOptions | None = None

    def make(self, split: Split, seed: int, device: str = "cpu") -> nn.Module:
        """The model, trained on a device."""
        model = build(self.name, split, seed=seed, **self.of).to(device if self.options else "cpu")
        fit(model, split, None if self.options is None else replace(self.options, seed=seed))
        return model.cpu()

    def changed(self, settings: Mapping[str, str]) -> Recipe:
        """The same with other settings: those that the model's class takes are its own, others of FitOptions. Nothing
        stops early, however many epochs are said."""
        of_class = inspect.signature(load(models, self.name)).parameters
        said = {name: _value(text) for name, text in settings.items()}
        of = {**self.of, **{name: value for name, value in said.items() if name in of_class}}
        rest = {name: value for name, value in said.items() if name not in of_class}
        if not rest:
            return Recipe(self.name, of, self.options)
        options = replace(self.options or FitOptions(), **rest)
        return Recipe(self.name, of, replace(options, patience=max(options.patience, options.epochs)))


def _value(text: str) -> Any:
    try:
        return literal_eval(text)
    except (ValueError, SyntaxError):
        return text


@dataclass(frozen=True, slots=True)
class SequenceData:
    """title; folder: of the files; parts(valid): to choose by, or to be judged by; k and metrics of the lists; models
    by name; best: the one that is pruned; slower: how many times smaller the step size of fine-tuning is than that of
    training; published: (who, values of the metrics); notes."""

    title: str
    folder: str
    parts: Callable[[bool], Parts]
    k: int
    metrics: tuple[str, ...]
    models: Mapping[str, Recipe]
    best: str
    published: tuple[tuple[str, float | None, float | None], ...] = ()
    notes: tuple[str, ...] = ()
    slower: float = 15.0


def learning(epochs: int, **more: Any) -> FitOptions:
    """Adam whose steps fall to 0, all epochs."""
    return FitOptions(epochs=epochs, patience=epochs, **{"schedule": "linear", "k": 10, **more})


def users_models(sasrec: dict[str, Any], gru4rec: dict[str, Any], length: int = 50, **how: Any) -> dict[str, Recipe]:
    """The models of sets of users, with options of SASRec and GRU4Rec; `how` of training. Caser is that of
    `beauty_caser`, whose settings validation chose on Beauty."""
    long = learning(**{"batch": 256, "lr": 3e-3, "epochs": 30, "every": 3, **how})
    return {
        "popularity": Recipe("popularity"),
        "item_knn": Recipe("item_knn"),
        "caser": Recipe("caser", {"dropout": 0.5}, learning(12, batch=512, lr=2e-3, decay=0.3)),
        "gru4rec": Recipe("gru4rec", {"length": length, **gru4rec}, replace(long, decay=0.01)),
        "nextitnet": Recipe("nextitnet", {"length": length, "dropout": 0.3}, replace(long, decay=0.01)),
        "sasrec": Recipe("sasrec", {"length": length, **sasrec}, long),
    }


def sessions_models(of: Mapping[str, Mapping[str, Any]], gru4rec: int, sasrec: int, **loss: Any) -> dict[str, Recipe]:
    """The models of sets of sessions, whose last 20 clicks are read: hardly 1 in 100 sessions has more. of: model ->
    options of its own beside what all sets have; epochs of GRU4Rec and of SASRec."""
    how = learning(8, batch=512, lr=3e-3, k=20, **loss)

    def model(name: str, options: FitOptions, **own: Any) -> Recipe:
        return Recipe(name, {"length": 20, **own, **of.get(name, {})}, options)

    return {
        "popularity": Recipe("popularity"),
        "item_knn": Recipe("item_knn"),
        "caser": Recipe("caser", {"dropout": 0.5}, replace(how, lr=2e-3)),
        "gru4rec": model("gru4rec", replace(how, epochs=gru4rec, patience=gru4rec), dim=128, hidden=256, dropout=0.5),
        "nextitnet": model("nextitnet", how, dropout=0.3, dilations=(1, 2, 1, 2)),
        "sasrec": model("sasrec", replace(how, epochs=sasrec, patience=sasrec), dropout=0.3),
    }


WIDE = {"dim": 128, "hidden": 256, "dropout": 0.6}
DRAWN = {"start": "random"}
CLOSE = {"residual": True, "norm": True}
BEFORE = (
    "{} were trained when a position of a batch of short histories still counted for more than one of long histories"
)
CHOSEN = "; how the others are trained was chosen then too"
EVERY_CLICK = "Where every click that is held out is asked for, of one seed, "
LASTS = ("recall@10", "ndcg@10")
CLICKS = ("recall@20", "mrr@20")
S3 = "{} (in Zhou et al. 2020)"
ALL_RANKED = "All items are ranked but those that the user had; recall@10 of one item is HR@10"
ALL_AGAIN = (
    "All items are ranked, those of the session too; recall@20 of one item is P@20",
    "Published values are from memory, of models that learned from the same training sessions",
)


def _published(**values: tuple[float, float]) -> tuple[tuple[str, float, float], ...]:
    return tuple((S3.format(name), *both) for name, both in values.items())


SETS: Mapping[str, SequenceData] = {
    "beauty": SequenceData(
        "Amazon Beauty",
        "amazon-beauty-seq",
        partial(of_users, "amazon-beauty-seq"),
        10,
        LASTS,
        users_models({}, WIDE, epochs=20),
        "sasrec",
        _published(SASRec=(0.0605, 0.0318), Caser=(0.0347, 0.0176), GRU4Rec=(0.0283, 0.0137), PopRec=(0.0152, 0.0068)),
        (
            ALL_RANKED,
            BEFORE.format("gru4rec and nextitnet") + CHOSEN,
            "Of sasrec on validation, HR@10 / NDCG@10 of one seed, batches of 256, from drawn rows: 2 layers, "
            "dropout 0.3, 40 epochs: 0.0875 / 0.0521; dropout 0.5: 0.0765 / 0.0429, 80 epochs: 0.0986 / 0.0592; 1 "
            "layer, dropout 0.5, 40 epochs: 0.0992 / 0.0590, 70 epochs: 0.0976 / 0.0574; dim 128, dropout 0.6, "
            "decay 0.3: 0.0990 / 0.0583. From singular vectors, 24 epochs: 0.1054 / 0.0632, six times as long: "
            "0.1020 / 0.0600; dim 128, dropout 0.6, decay 0.3, 20 epochs: 0.1048 / 0.0625. Of gru4rec, drawn: dim "
            "64, hidden 128, dropout 0.5: 0.0900 / 0.0534; dim 128, hidden 256, dropout 0.6: 0.0944 / 0.0575",
        ),
    ),
    "toys": SequenceData(
        "Amazon Toys",
        "amazon-toys-seq",
        partial(of_users, "amazon-toys-seq"),
        10,
        LASTS,
        users_models({}, WIDE, epochs=20),
        "sasrec",
        _published(SASRec=(0.0675, 0.0374), Caser=(0.0270, 0.0141), GRU4Rec=(0.0176, 0.0084), PopRec=(0.0113, 0.0061)),
        (
            ALL_RANKED,
            BEFORE.format("gru4rec and nextitnet") + CHOSEN,
            "Of sasrec on validation, HR@10 / NDCG@10 of one seed, batches of 256, from drawn rows: 2 layers, "
            "dropout 0.3: 0.0852 / 0.0539, dropout 0.5: 0.0713 / 0.0416; 1 layer, dropout 0.5: 0.0959 / 0.0601; "
            "dim 128, dropout 0.6, decay 0.3: 0.1010 / 0.0629, the best of 70 epochs after 21",
        ),
    ),
    "lastfm": SequenceData(
        "Last.fm",
        "lastfm-seq",
        partial(of_users, "lastfm-seq"),
        10,
        LASTS,
        users_models(
            {"dropout": 0.4, "even": True}, {"dropout": 0.7}, batch=64, lr=2e-3, epochs=100, every=10, decay=1.0
        ),
        "gru4rec",
        _published(SASRec=(0.0688, 0.0390), Caser=(0.0413, 0.0214), GRU4Rec=(0.0367, 0.0187), PopRec=(0.0440, 0.0203)),
        (
            ALL_RANKED,
            BEFORE.format("nextitnet and sasrec") + CHOSEN,
            "Of sasrec on validation, HR@10 / NDCG@10 of one seed: 2 layers, dropout 0.5, 0.7, 0.8: 0.0716 / "
            "0.0369, 0.0872 / 0.0419, 0.0688 / 0.0353; dropout 0.7, decay 1: 0.0890 / 0.0463; 1 layer, dropout "
            "0.7, decay 0.1: 0.0826 / 0.0440; dropout 0.6, decay 1: 0.0890 / 0.0500",
            "Of two seeds, best epoch of 100, sasrec, dropout 0.6: 0.0940 / 0.0517, even: 0.0917 / 0.0516, drawn rows: "
            "0.0917 / 0.0498; even, dropout 0.4: 0.1009 / 0.0545. Of gru4rec, dropout 0.7: 0.1193 / 0.0603; residual, "
            "norm: 0.0982 / 0.0517, even too: 0.0977 / 0.0492",
            "As they are trained now, of one seed, gru4rec: 0.1321 / 0.0719, sasrec: 0.1028 / 0.0605",
        ),
    ),
    "diginetica": SequenceData(
        "Diginetica",
        "diginetica",
        partial(of_sessions, "diginetica"),
        20,
        CLICKS,
        sessions_models(
            {"gru4rec": {**CLOSE, "even": True}, "sasrec": {"layers": 2, "even": True}},
            8,
            8,
            loss="sampled_softmax",
            negatives=4096,
        ),
        "gru4rec",
        (("SR-GNN", 0.507, 0.176), ("GCE-GNN", 0.542, 0.190)),
        (
            *ALL_AGAIN,
            BEFORE.format("nextitnet and sasrec") + CHOSEN,
            "Of gru4rec on validation, by the last click of each session, recall@20 / MRR@20 of one seed: softmax over "
            "all items, dim 64, hidden 128, dropout 0.3: 0.5017 / 0.1997; dim 128, hidden 256, "
            "dropout 0.5: 0.5111 / 0.2021; by 4,096 drawn items: 0.5119 / 0.2028. Of sasrec: 0.4991 / 0.1980",
            EVERY_CLICK
            + "of gru4rec: 0.4888 / 0.1678; residual, norm: 0.4773 / 0.1650, even too: 0.4957 / 0.1743, 12 epochs: "
            "0.4932 / 0.1733. Of sasrec, even: 0.4948 / 0.1753",
            "1/10 was fine-tuned by a fifteenth of training's step size, the others by a quarter, as validation says: "
            "recall@20 of one seed, whole 0.5103: 1/20 by a quarter 0.4969, by a half 0.4963; 1/50 by a fifteenth "
            "0.4126, by a quarter 0.4278, by a half 0.4299, with the whole model as teacher by a quarter 0.4336, as "
            "it was trained 0.4303",
        ),
        slower=4.0,
    ),
    "yoochoose": SequenceData(
        "Yoochoose 1/64",
        "yoochoose1-64",
        partial(of_sessions, "yoochoose1-64"),
        20,
        CLICKS,
        sessions_models({"gru4rec": {**DRAWN, **CLOSE}, "nextitnet": DRAWN, "sasrec": DRAWN}, 14, 12, loss="softmax"),
        "gru4rec",
        (("SR-GNN", 0.706, 0.309),),
        (
            *ALL_AGAIN,
            BEFORE.format("nextitnet and sasrec") + CHOSEN,
            "On validation, by the last click of each session, recall@20 / MRR@20 of one seed, drawn rows, of gru4rec: "
            "dim 64, hidden 128, dropout 0.3, 8 epochs: 0.6843 / 0.3432; dim 128, hidden 256, "
            "dropout 0.5: 0.6930 / 0.3466, 14 epochs: 0.7008 / 0.3483; dropout 0.6, decay 0.3: 0.6838 / 0.3312. "
            "Of sasrec: 0.6857 / 0.3396; dim 128, dropout 0.5: 0.6788 / "
            "0.3353; 1 layer, dropout 0.3, 12 epochs: 0.6976 / 0.3508. Of nextitnet: 0.6853 / 0.3483",
            "From singular vectors, of gru4rec: 0.6967 / 0.3463, 20 epochs: 0.6975 / 0.3466; dropout 0.3: 0.6936 / "
            "0.3478, 0.6: 0.6908 / 0.3385; hidden 512: 0.6943 / 0.3450; dim 256, hidden 512, dropout 0.6: 0.6983 / "
            "0.3474. Of sasrec, 1 layer, dropout 0.5: 0.6831 / 0.3441",
            EVERY_CLICK
            + "drawn rows, of gru4rec: 0.6935 / 0.3007; residual, norm: 0.7018 / 0.3091, even too: 0.7003 / 0.3093, "
            "those and dropout 0.3: 0.6962 / 0.3111, 20 epochs: 0.6983 / 0.3096, lr 6e-3: 0.7001 / 0.3088, dim 256: "
            "0.6975 / 0.3112, from singular vectors: 0.7018 / 0.3039; norm, even: 0.7002 / 0.3046. Of sasrec: 0.6887 / "
            "0.3012, even: 0.6830 / 0.3011, even, dim 128, dropout 0.4: 0.6882 / 0.3005",
            "As it is trained now gru4rec, residual, norm, has 0.7159 / 0.3146 there",
        ),
    ),
}
