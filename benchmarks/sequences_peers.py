"""RecBole in the tables of `benchmarks.sequences`: `python -m benchmarks.sequences_peers NAME ...`.

That trains its SASRec and GRU4Rec (benchmarks/sequences_recbole.py) with the packages of RecBole installed, three seeds
a model, and judges them on test by the evaluator that judges our own; `benchmarks.sequences` then reads what was kept
under benchmarks/runs, and needs no RecBole. To train on another machine, which has neither the data nor recprune:

    python -m benchmarks.sequences_peers --arrays beauty beauty.npz
    python -m benchmarks.sequences_recbole beauty.npz sasrec 0 beauty-sasrec-0.npz device=cuda      # there
    python -m benchmarks.sequences_peers --judge beauty sasrec 0 beauty-sasrec-0.npz
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.parts_sequences import Parts
from benchmarks.recipes_sequences import SETS
from benchmarks.sequences_kept import DEVICE, SEEDS, measured, parts_of
from benchmarks.sequences_recbole import How, Trained, read, trained, write
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks import sequences_kept
from recprune.atomic import write_bytes
from recprune.data.dataset import Histories
from recprune.evaluation.inputs import known

__all__ = ["PEERS", "Peer", "arrays", "is_noted", "judge", "main", "noted", "peers"]

PEERS: Mapping[str, str] = {"RecBole SASRec (softmax)": "sasrec", "RecBole GRU4Rec (softmax)": "gru4rec"}
BEGIN = "RecBole's are"
"""What a note on their rows begins with."""


class Peer(nn.Module):
    """A model of RecBole as `evaluate` asks it.

    The codes are the same: 0 is padding there and the unknown item here, and scores have a column of each code. There 0
    stands behind the items, here in front, so that the items move; one that is unknown is left out.

    forward: sequence (batch, length) codes, oldest first, 0 in front -> scores (batch, n_items).
    """

    columns = ("sequence",)

    def __init__(self, model: nn.Module, length: int) -> None:
        super().__init__()
        self.model, self.length = model, length

    def forward(self, sequence: Tensor) -> Tensor:
        there = sequence != 0
        items = sequence.gather(1, there.logical_not().to(torch.int8).argsort(dim=1, stable=True))
        lengths = there.sum(1).clamp(min=1)
        columns = {"item_id_list": items[:, : int(lengths.max())], "item_length": lengths}
        scores: Tensor = self.model.full_sort_predict(columns)
        return scores


def main(names: list[str]) -> None:
    """Train and judge both models on the sets of those names, all seeds; what was judged before stays."""
    for name in names or list(SETS):
        for model in PEERS.values():
            for seed in SEEDS:
                if not kept(name, model, seed).exists():
                    judge(name, model, seed, now(name, model, seed))


def now(name: str, model: str, seed: int) -> Path:
    """A model trained here, or in an earlier run."""
    path = kept(name, model, seed).with_suffix(".npz")
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            arrays(name, Path(folder) / "arrays.npz")
            found = trained(Path(folder) / "arrays.npz", model, seed, How(device=DEVICE))
        write(path, found)
    return path


def arrays(name: str, path: Path) -> None:
    """What RecBole's models learn from and are stopped by, as `benchmarks.sequences_recbole` reads it; of sessions also
    all that is learned from in the end."""
    parts, whole = parts_of(name, True), parts_of(name, False)
    learned, asked, wanted = parts.learn.train.histories(), *questions(parts)
    said = {
        **flat("", learned),
        **flat("asked_", asked),
        "valid": wanted,
        "n_items": np.array(learned.n_items),
        "mask_seen": np.array(parts.mask_seen),
    }
    if len(whole.learn.train) > len(parts.learn.train):
        said |= flat("all_", whole.learn.train.histories())
    with path.open("wb") as file:
        np.savez_compressed(file, **said)


def questions(parts: Parts) -> tuple[Histories, NDArray[np.int64]]:
    """What is known of every user that is asked about, and the item that comes next."""
    rows, before = getattr(parts.asked, parts.part), known(parts.asked, parts.part)
    users = rows["user"].astype(np.int64)
    counts = before.counts()[users]
    starts = np.concatenate([[0], np.cumsum(counts)])
    return Histories(starts, before.pairs(users)[1], before.n_items), rows["item"].astype(np.int64)


def flat(name: str, histories: Histories) -> dict[str, NDArray[Any]]:
    """Histories as arrays of a file."""
    return {f"{name}items": histories.items.astype(np.int32), f"{name}starts": histories.starts}


def judge(name: str, model: str, seed: int, path: Path) -> dict[str, Any]:
    """Judge a model that was trained on the arrays of a set, and keep what was found. Raises ValueError where the file
    has another one."""
    data, found = SETS[name], read(path)
    items = parts_of(name, False).learn.train.histories().n_items
    if (found.name, found.seed, found.n_items) != (model, seed, items):
        raise ValueError(
            f"{path} has {found.name} of seed {found.seed} for {found.n_items:,} codes, not {model} of seed {seed} for "
            f"the {items:,} of {name}"
        )
    told = {"seconds": found.seconds, "device": found.device, "training": training(found)}
    said = {**measured(Peer(found.model, found.length), None, data, name), **told}
    print(f"  {name}, RecBole {model}, seed {seed}: {said['metrics']}, {said['training']}", flush=True)
    kept(name, model, seed).parent.mkdir(exist_ok=True)
    write_bytes(kept(name, model, seed), json.dumps(said).encode())
    return said


def training(found: Trained) -> dict[str, Any]:
    """How it came about."""
    names = ("epoch", "epochs", "valid", "ended", "version", "of", "length")
    return {name: getattr(found, name) for name in names}


def kept(name: str, model: str, seed: int) -> Path:
    """The file of what was found."""
    return sequences_kept.RUNS / f"sequences-{name}-recbole-{model}-{seed}.json"


def peers(name: str) -> dict[str, list[dict[str, Any]]]:
    """Label -> what was found of every seed that was judged; of models with none, nothing."""
    paths = {label: [kept(name, model, seed) for seed in SEEDS] for label, model in PEERS.items()}
    found = {label: [json.loads(p.read_bytes()) for p in some if p.exists()] for label, some in paths.items()}
    return {label: some for label, some in found.items() if some}


def noted(found: Mapping[str, list[dict[str, Any]]]) -> list[str]:
    """What is to be known of these rows."""
    if not found:
        return []
    version = next(iter(found.values()))[0]["training"]["version"]
    said = [f"{label} after {', '.join(told(f['training']) for f in some)}" for label, some in found.items()]
    return [
        f"{BEGIN} its classes of version {version} with its default options and loss, of sequences of 50, every "
        "prefix a sample, batches of 2,048, Adam with 1e-3; training stops where validation NDCG@10 was not better for "
        f"10 epochs, and the best epoch's weights are judged: {'; '.join(said)}"
    ]


def is_noted(note: str) -> bool:
    """Whether a note of a table is that of `noted`."""
    return note.startswith(BEGIN)


def told(training: Mapping[str, Any]) -> str:
    """The best epoch, and why there were no more."""
    return f"{training['epoch']} of {training['epochs']} epochs{'' if training['ended'] == 'patience' else ' at most'}"


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1:2] == ["--arrays"]:
        arrays(sys.argv[2], Path(sys.argv[3]))
    elif sys.argv[1:2] == ["--judge"]:
        judge(sys.argv[2], sys.argv[3], int(sys.argv[4]), Path(sys.argv[5]))
    else:
        main(sys.argv[1:])
