"""What stands beside our click models in `benchmarks.clicks`, as its users build it: name -> (choices, train).

scikit-learn's logistic regression and gradient boosted trees, and DeepFM of deepctr-torch and of torch-rechub, and DIN
of the latter where rows have a past, where they are installed. train(split, seed, choice, pace) -> Answer; a choice is
what may be chosen on validation.
"""

from __future__ import annotations

import copy
import importlib.util
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from recprune.data.dataset import Dataset, Split
from recprune.data.features import FeatureMatrix
from recprune.data.split import with_means
from recprune.evaluation.clicks import auc

__all__ = ["Answer", "Choice", "Pace", "Train", "rivals"]

Numbers = NDArray[np.floating[Any]]
Choice = Mapping[str, Any]
DIM, HIDDEN, DROPOUT = 16, (128, 128), 0.3
SCORED = 4096
"""Rows that are scored at a time."""
CATEGORIES = 254
"""Values of a field that the trees take as such; a field of more is encoded by its targets."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """valid: logits; test(): those of the test part, made when asked for; parameters: None where that is no number of
    weights; seconds: of the processor, in training."""

    valid: Numbers
    test: Callable[[], Numbers]
    parameters: int | None
    seconds: float


class Pace(NamedTuple):
    """epochs: most of them; batch: rows a step."""

    epochs: int
    batch: int


Train = Callable[[Split, int, Choice, Pace], Answer]


def rivals(past: bool = False) -> dict[str, tuple[tuple[Choice, ...], Train]]:
    """Those that can be run here. past: rows say what was before them."""
    rates = tuple({"lr": rate} for rate in (1e-3, 3e-3, 1e-2))
    found: dict[str, tuple[tuple[Choice, ...], Train]] = {
        "scikit-learn logistic regression": (tuple({"C": c} for c in (0.1, 1.0, 10.0)), logistic),
        "scikit-learn boosted trees": (tuple({"learning_rate": rate} for rate in (0.03, 0.1, 0.3)), trees),
    }
    if importlib.util.find_spec("deepctr_torch"):
        found["deepctr-torch DeepFM"] = (rates, deepctr)
    if importlib.util.find_spec("torch_rechub"):
        found["torch-rechub DeepFM"] = ((*rates, {"lr": 2e-2, "weight_decay": 1e-4}), rechub)
        found |= {"torch-rechub DIN": (rates, rechub_din)} if past else {}
    return found


def logistic(split: Split, seed: int, choice: Choice, pace: Pace) -> Answer:
    """One-hot fields, numbers over their largest; no seed and no epochs."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import MaxAbsScaler

    begin = time.process_time()
    train = FeatureMatrix.of_rows(split.train, _names(split.train))
    scaler = MaxAbsScaler().fit(train.x)
    model = LogisticRegression(max_iter=500, **choice).fit(scaler.transform(train.x), split.train["label"])
    seconds = time.process_time() - begin

    def said(part: Dataset) -> Numbers:
        return np.asarray(model.decision_function(scaler.transform(train.like(part).x)))

    return Answer(said(split.valid), lambda: said(split.test), int(model.coef_.size) + 1, seconds)


def trees(split: Split, seed: int, choice: Choice, pace: Pace) -> Answer:
    """Histogram gradient boosting, stopped on validation; fields of many values by their targets (cross-fitted)."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold
    from sklearn.preprocessing import TargetEncoder

    begin, train, labels = time.process_time(), split.train, split.train["label"]
    small = [name for name in train.fields if len(train.vocabularies[name].ids) <= CATEGORIES]
    large = [name for name in train.fields if name not in small]
    plain = [name for name in train.roles.numeric if name in train.columns]
    several = [name for name in train.roles.multi if name in train.columns]
    encoder = TargetEncoder(cv=StratifiedKFold(5, shuffle=True, random_state=seed))

    def side(part: Dataset, encoded: Numbers | None) -> Numbers:
        columns = [part[name][:, None] for name in (*small, *plain)]
        columns += [] if encoded is None else [encoded]
        columns += [FeatureMatrix.of_rows(part, several).x.toarray()] if several else []
        return np.concatenate(columns, 1)

    def codes(part: Dataset) -> Numbers:
        return np.stack([part[name] for name in large], 1)

    first = encoder.fit_transform(codes(train), labels) if large else None

    def other(part: Dataset) -> Numbers:
        return side(part, encoder.transform(codes(part)) if large else None)

    model = HistGradientBoostingClassifier(
        max_iter=1000, early_stopping=True, categorical_features=list(range(len(small))), random_state=seed, **choice
    )
    model.fit(side(train, first), labels, X_val=other(split.valid), y_val=split.valid["label"])
    seconds = time.process_time() - begin
    return Answer(
        np.asarray(model.decision_function(other(split.valid))),
        lambda: np.asarray(model.decision_function(other(split.test))),
        None,
        seconds,
    )


def deepctr(split: Split, seed: int, choice: Choice, pace: Pace) -> Answer:
    """DeepFM of deepctr-torch, its own penalties, trained by its own `fit`, an epoch at a time."""
    from deepctr_torch.inputs import DenseFeat, SparseFeat, VarLenSparseFeat
    from deepctr_torch.models import DeepFM

    split, columns = _standardised(split), []
    for name in _names(split.train):
        size = len(split.vocabularies[name]) if name in split.vocabularies else 0
        if name in split.train.roles.multi:
            columns.append(VarLenSparseFeat(SparseFeat(name, size, DIM), split.train[name].shape[1], "mean"))
        else:
            columns.append(SparseFeat(name, size, DIM) if size else DenseFeat(name, 1))
    options = {"dnn_hidden_units": HIDDEN, "dnn_dropout": DROPOUT, "dnn_use_bn": True, "seed": seed}
    model = DeepFM(columns, columns, **options)
    model.compile(torch.optim.Adam(model.parameters(), **choice), "binary_crossentropy")
    taken = {name: split.train[name] for name in _names(split.train)}

    def epoch() -> None:
        model.fit(taken, split.train["label"], batch_size=pace.batch, epochs=1, verbose=0)

    def said(part: Dataset) -> Numbers:
        return np.asarray(model.predict({name: part[name] for name in taken}, SCORED)).ravel()

    return _best(model, split, epoch, said, pace.epochs)


def rechub(split: Split, seed: int, choice: Choice, pace: Pace) -> Answer:
    """DeepFM of torch-rechub, trained by Adam with the weight decay of its CTRTrainer."""
    from torch_rechub.models.ranking import DeepFM

    split = _standardised(split)
    fields, dense = _of_rechub(split)
    torch.manual_seed(seed)
    model = DeepFM(fields + dense, fields, {"dims": list(HIDDEN), "dropout": DROPOUT, "activation": "relu"})
    return _by_rechub(model, split, _names(split.train), choice, pace)


def rechub_din(split: Split, seed: int, choice: Choice, pace: Pace) -> Answer:
    """DIN of torch-rechub, trained likewise; it takes no numbers."""
    from torch_rechub.basic.features import SequenceFeature, SparseFeature
    from torch_rechub.models.ranking import DIN

    others, n = [field for field in _of_rechub(split)[0] if field.name != "item"], split.train.n_items
    item = SparseFeature("item", n, DIM, padding_idx=0)
    past = SequenceFeature("sequence", n, DIM, "concat", "item", padding_idx=0)
    torch.manual_seed(seed)
    model = DIN(others, [past], [item], {"dims": list(HIDDEN), "dropout": DROPOUT}, {"dims": [32]})
    return _by_rechub(model, split, [*(field.name for field in others), "item", "sequence"], choice, pace)


def _of_rechub(split: Split) -> tuple[list[Any], list[Any]]:
    """The fields of codes and those of numbers."""
    from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature

    sizes = {name: len(vocabulary) for name, vocabulary in split.vocabularies.items()}
    fields: list[Any] = [SparseFeature(name, sizes[name], DIM) for name in split.train.fields]
    several = [name for name in split.train.roles.multi if name in split.train.columns]
    fields += [SequenceFeature(name, sizes[name], DIM, "mean", padding_idx=0) for name in several]
    return fields, [DenseFeature(name) for name in split.train.roles.numeric if name in split.train.columns]


def _by_rechub(model: nn.Module, split: Split, names: list[str], choice: Choice, pace: Pace) -> Answer:
    """Trained on those columns."""
    optimizer = torch.optim.Adam(model.parameters(), **{"weight_decay": 1e-5, **choice})
    taken = {name: torch.from_numpy(split.train[name]) for name in (*names, "label")}

    def epoch() -> None:
        model.train()
        for rows in torch.randperm(len(split.train)).split(pace.batch):
            optimizer.zero_grad()
            said = model({name: taken[name][rows] for name in names})
            nn.functional.binary_cross_entropy(said, taken["label"][rows]).backward()
            optimizer.step()

    @torch.no_grad()
    def said(part: Dataset) -> Numbers:
        model.eval()
        batches = part.batches(names, SCORED)
        parts = [model({n: torch.from_numpy(x) for n, x in zip(names, batch, strict=True)}) for batch in batches]
        return torch.cat(parts).numpy()

    return _best(model, split, epoch, said, pace.epochs)


def _best(
    model: nn.Module, split: Split, epoch: Callable[[], None], said: Callable[[Dataset], Numbers], epochs: int
) -> Answer:
    """The epoch whose validation AUC is best. said: probabilities."""
    begin, best, state = time.process_time(), -np.inf, copy.deepcopy(model.state_dict())
    for _ in range(epochs):
        epoch()
        value = auc(said(split.valid).astype(np.float64), split.valid["label"])
        if value > best:
            best, state = value, copy.deepcopy(model.state_dict())
    seconds = time.process_time() - begin
    model.load_state_dict(state)
    size = sum(p.numel() for p in model.parameters())
    return Answer(_logits(said(split.valid)), lambda: _logits(said(split.test)), size, seconds)


def _logits(chances: Numbers) -> Numbers:
    p = np.clip(chances.astype(np.float64), 1e-7, 1 - 1e-7)
    return np.log(p / (1 - p))


def _names(part: Dataset) -> list[str]:
    return [*part.fields, *(name for name in (*part.roles.numeric, *part.roles.multi) if name in part.columns)]


def _standardised(split: Split) -> Split:
    """Numbers of mean 0 and deviation 1 over train, the mean where one is missing."""
    split = with_means(split)
    for name in (name for name in split.train.roles.numeric if name in split.train.columns):
        mean, deviation = split.train[name].mean(), split.train[name].std()
        for part in (split.train, split.valid, split.test):
            part.columns[name] = ((part[name] - mean) / max(float(deviation), 1e-12)).astype(np.float32)  # type: ignore[index]
    return split
