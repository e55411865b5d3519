"""RecBole's SASRec and GRU4Rec on plain arrays: `python -m benchmarks.sequences_recbole ARRAYS.npz MODEL SEED OUT.npz`.

The models and their losses are RecBole's, with its default options. Its data sets and its trainer need more packages
than a machine with a graphics card may have, so that the loop is written here, and does what they do: every prefix of a
history is a sample, of at most `length` items; Adam; after each epoch all items are ranked for what comes next, and
training stops where that was not better for more than `patience` epochs. Two things are as in our own benchmarks, for
the good of the peer: NDCG@10 stops (RecBole's default is MRR@10), and what was had is no candidate there either where
it is none in the test. Needs numpy, torch and recbole alone.

More settings go behind, as in `epochs=200 patience=10 device=cuda seconds=90`.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from ast import literal_eval
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["MODELS", "How", "Trained", "built", "read", "train", "trained", "write"]

MODELS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "sasrec": (
        "SASRec",
        {
            **{"n_layers": 2, "n_heads": 2, "hidden_size": 64, "inner_size": 256},
            **{"hidden_dropout_prob": 0.5, "attn_dropout_prob": 0.5, "hidden_act": "gelu"},
            **{"layer_norm_eps": 1e-12, "initializer_range": 0.02, "loss_type": "CE"},
        },
    ),
    "gru4rec": (
        "GRU4Rec",
        {"embedding_size": 64, "hidden_size": 128, "num_layers": 1, "dropout_prob": 0.3, "loss_type": "CE"},
    ),
}
"""Name -> the class, and RecBole's default options of it."""
SEQUENCE, LENGTH, NEXT = "item_id_list", "item_length", "item_id"
Histories = Sequence[NDArray[np.integer]]


@dataclass(frozen=True, slots=True)
class How:
    """How a model is trained; length: items of a history that it reads. seconds: after which no epoch begins."""

    epochs: int = 200
    patience: int = 10
    batch: int = 2048
    lr: float = 1e-3
    length: int = 50
    k: int = 10
    seconds: float = float("inf")
    device: str = "cpu"


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A model, and how it came about. epoch: the best one, whose weights it has; epochs: all that were done; valid:
    NDCG@k of the best; ended: "patience", "epochs" or "seconds"; version: of RecBole."""

    model: nn.Module
    name: str
    n_items: int
    length: int
    of: Mapping[str, Any]
    seed: int
    epoch: int
    epochs: int
    valid: float | None
    ended: str
    seconds: float
    device: str
    version: str


class _Catalogue:
    """What RecBole's models ask their data set for."""

    def __init__(self, n_items: int) -> None:
        self.n_items = n_items

    def num(self, field: str) -> int:
        """Items, the padding 0 too."""
        return {NEXT: self.n_items}[field]


def built(name: str, n_items: int, length: int = 50, of: Mapping[str, Any] | None = None) -> nn.Module:
    """A model of RecBole with new weights. n_items: codes, the padding 0 too. of: options of its own that differ."""
    kind, options = MODELS[name]
    config = {
        **{"USER_ID_FIELD": "user_id", "ITEM_ID_FIELD": NEXT, "LIST_SUFFIX": "_list", "NEG_PREFIX": "neg_"},
        **{"ITEM_LIST_LENGTH_FIELD": LENGTH, "MAX_ITEM_LIST_LENGTH": length, "device": "cpu"},
        **options,
        **(of or {}),
    }
    module = importlib.import_module(f"recbole.model.sequential_recommender.{name}")
    model: nn.Module = getattr(module, kind)(config, _Catalogue(n_items))
    return model


@dataclass(frozen=True, slots=True, eq=False)
class _Flat:
    """Histories end to end, and of every sample where its items begin and end there."""

    items: Tensor
    begins: Tensor
    ends: Tensor

    def batch(self, rows: Tensor) -> dict[str, Tensor]:
        """The items of samples as RecBole has them: oldest first, 0 behind, no longer than the longest."""
        begins, ends = self.begins[rows], self.ends[rows]
        lengths = ends - begins
        index = begins[:, None] + torch.arange(max(1, int(lengths.max())), device=rows.device)
        items = self.items[index.clamp(max=len(self.items) - 1)]
        return {SEQUENCE: torch.where(index < ends[:, None], items, 0), LENGTH: lengths.clamp(min=1)}


def _flat(histories: Histories) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    counts = np.fromiter(map(len, histories), np.int64, len(histories))
    nothing = np.zeros(0, dtype=np.int64)
    return np.concatenate([nothing, *histories]).astype(np.int64), np.concatenate([[0], np.cumsum(counts)])


def _prefixes(histories: Histories, length: int, device: str) -> _Flat:
    """Every prefix, cut to its last items; what comes next stands where it ends."""
    items, starts = _flat(histories)
    ends = np.setdiff1d(np.arange(len(items)), starts)
    begins = np.maximum(starts[np.searchsorted(starts, ends, side="right") - 1], ends - length)
    return _Flat(*(torch.from_numpy(x).to(device) for x in (items, begins, ends)))


def _lasts(histories: Histories, length: int, device: str) -> _Flat:
    """The last items of every history."""
    items, starts = _flat(histories)
    begins = np.maximum(starts[:-1], starts[1:] - length)
    return _Flat(*(torch.from_numpy(x).to(device) for x in (items if len(items) else starts[:1], begins, starts[1:])))


def train(
    histories: Histories,
    valid: NDArray[np.integer] | None,
    n_items: int,
    model: str = "sasrec",
    *,
    seed: int = 0,
    how: How | None = None,
    of: Mapping[str, Any] | None = None,
    asked: Histories | None = None,
    mask_seen: bool = True,
    note: Callable[[int, float, float | None], None] | None = None,
) -> Trained:
    """Train a model of RecBole.

    histories: of every user the codes of his items, 1 to n_items - 1, oldest first. valid: of every history of `asked`
    (None: of `histories`) the item that comes next, 0 where it is not to be judged; None: all epochs are done, and the
    last weights stay. note(epoch, loss, NDCG) is called after every epoch. The model comes back on the processor.
    Raises ValueError where the loss is no number, or a code is none.
    """
    how = how or How()
    _check(histories, n_items)
    torch.manual_seed(seed)
    found = built(model, n_items, how.length, of).to(how.device)
    samples = _prefixes(histories, how.length, how.device)
    ask = None if valid is None else _Asked(histories if asked is None else asked, valid, how, mask_seen)
    optimizer = torch.optim.Adam(found.parameters(), lr=how.lr)
    begin, best, best_epoch, state = time.monotonic(), -1.0, 0, {}
    epoch, ended = 0, "epochs"
    while epoch < how.epochs:
        if epoch and time.monotonic() - begin > how.seconds:
            ended = "seconds"
            break
        epoch += 1
        loss = _epoch(found, samples, optimizer, how)
        score = None if ask is None else ask.ndcg(found)
        if note is not None:
            note(epoch, loss, score)
        if score is None:
            best_epoch = epoch
        elif score >= best:
            best, best_epoch = score, epoch
            state = {key: value.detach().clone() for key, value in found.state_dict().items()}
        elif epoch - best_epoch > how.patience:
            ended = "patience"
            break
    if state:
        found.load_state_dict(state)
    valued, spent = (None if ask is None else best), time.monotonic() - begin
    done = (best_epoch, epoch, valued, ended, spent, how.device, importlib.import_module("recbole").__version__)
    return Trained(found.cpu().eval(), model, n_items, how.length, dict(of or {}), seed, *done)


def _check(histories: Histories, n_items: int) -> None:
    items = _flat(histories)[0]
    if len(items) and not 1 <= items.min() <= items.max() < n_items:
        raise ValueError(f"codes are 1 to {n_items - 1}, not {items.min()} to {items.max()}")


def _epoch(model: nn.Module, samples: _Flat, optimizer: torch.optim.Optimizer, how: How) -> float:
    """Every sample once, in a drawn order. The mean loss of the batches."""
    model.train()
    losses = []
    for rows in torch.randperm(len(samples.ends)).to(how.device).split(how.batch):
        loss = _loss(model, samples, rows)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    mean = float(torch.stack(losses).mean())
    if not np.isfinite(mean):
        raise ValueError(f"the loss is {mean}")
    return mean


def _loss(model: nn.Module, samples: _Flat, rows: Tensor) -> Tensor:
    """The mean over a batch, whose short samples are apart, so that they are not padded to the longest one: what is
    padded costs as much as an item, and changes no loss."""
    lengths = samples.ends[rows] - samples.begins[rows]
    loss = torch.zeros((), device=rows.device)
    for some in rows[lengths.argsort()].tensor_split((3 * len(rows) // 4,)):
        if len(some):
            batch = {**samples.batch(some), NEXT: samples.items[samples.ends[some]]}
            loss = loss + model.calculate_loss(batch) * (len(some) / len(rows))
    return loss


class _Asked:
    """What is asked for after every epoch: the next item of histories."""

    def __init__(self, histories: Histories, valid: NDArray[np.integer], how: How, mask_seen: bool) -> None:
        rows = np.flatnonzero(valid)
        rows = rows[np.argsort([len(histories[row]) for row in rows], kind="stable")]
        some = [histories[row] for row in rows]
        self.k, self.size = how.k, max(1, how.batch)
        self.last = _lasts(some, how.length, how.device)
        self.seen = _lasts(some, max([1, *map(len, some)]), how.device) if mask_seen else None
        self.next = torch.from_numpy(np.asarray(valid)[rows].astype(np.int64)).to(how.device)

    @torch.no_grad()
    def ndcg(self, model: nn.Module) -> float:
        """NDCG@k among all items but the padding, and but those of the history."""
        model.eval()
        gains = [self._gains(model, rows) for rows in torch.arange(len(self.next)).split(self.size)]
        return float(torch.cat(gains).mean())

    def _gains(self, model: nn.Module, rows: Tensor) -> Tensor:
        rows = rows.to(self.next.device)
        scores = model.full_sort_predict(self.last.batch(rows))
        wanted = scores.gather(1, self.next[rows, None])
        scores[:, 0] = -torch.inf
        if self.seen is not None:
            scores.scatter_(1, self.seen.batch(rows)[SEQUENCE], -torch.inf)
            scores.scatter_(1, self.next[rows, None], wanted)
        rank = (scores >= wanted).sum(1)
        return torch.where(rank <= self.k, 1 / torch.log2(rank + 1.0), 0.0)


def trained(path: Path, model: str, seed: int, how: How, note: Any = None) -> Trained:
    """A model trained on a file of arrays: histories as items and starts; asked_items, asked_starts and valid to stop
    by; n_items; mask_seen. Where there are all_items and all_starts, these are learned in the end, from new weights,
    for as many epochs as were best, and about half of the seconds are kept for that."""
    file = np.load(path)
    again = "all_items" in file
    how = replace(how, seconds=how.seconds / 2) if again else how

    def histories(name: str) -> Histories:
        return np.split(file[f"{name}items"], file[f"{name}starts"][1:-1])

    more = {"asked": histories("asked_"), "mask_seen": bool(file["mask_seen"]), "note": note}
    n_items = int(file["n_items"])
    found = train(histories(""), file["valid"], n_items, model, seed=seed, how=how, **more)
    if not again:
        return found
    rest = replace(how, epochs=found.epoch, seconds=float("inf"))
    last = train(histories("all_"), None, n_items, model, seed=seed, how=rest, note=note)
    told = {"epochs": found.epochs, "valid": found.valid, "ended": found.ended}
    return replace(last, **told, seconds=found.seconds + last.seconds)


def write(path: Path, found: Trained) -> None:
    """The weights and what is told of them."""
    state = {f"state/{key}": value.numpy() for key, value in found.model.state_dict().items()}
    with path.open("wb") as file:
        np.savez(file, told=np.array(json.dumps(_told(found))), **state)


def _told(found: Trained) -> dict[str, Any]:
    return {name: getattr(found, name) for name in Trained.__slots__ if name != "model"}


def read(path: Path) -> Trained:
    """What was written."""
    file = np.load(path)
    told = json.loads(str(file["told"]))
    model = built(told["name"], told["n_items"], told["length"], told["of"])
    state = {key.removeprefix("state/"): torch.from_numpy(file[key]) for key in file.files if key != "told"}
    model.load_state_dict(state)
    return Trained(model.eval(), **told)


def main(arrays: str, model: str, seed: str, out: str, *settings: str) -> None:
    """Train and write, and say every epoch."""
    how = replace(How(), **{name: _value(text) for name, text in (s.split("=", 1) for s in settings)})
    begin = time.monotonic()

    def note(epoch: int, loss: float, score: float | None) -> None:
        said = "" if score is None else f", NDCG@{how.k} {score:.4f}"
        print(f"{out}: epoch {epoch}, loss {loss:.4f}{said}, {time.monotonic() - begin:.1f} s", flush=True)

    found = trained(Path(arrays), model, int(seed), how, note)
    write(Path(out), found)
    print(f"{out}: {_told(found)}", flush=True)


def _value(text: str) -> Any:
    try:
        return literal_eval(text)
    except (ValueError, SyntaxError):
        return text


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
