"""kill -9 at random moments of save, prune, train and compact, and at every call of the system that a save makes.

python scripts/kill_writes.py --kills 1000 --state kills.json --result

After each kill what stands on disk is read: a whole model, the old one or a new one; a training goes on from its
checkpoint and ends with the same weights, bit by bit. Says one line of JSON; ends with 1 where anything was torn.
--state keeps what was done so far, so that a run that was ended goes on where it was; --result writes
benchmarks/results/kill_writes.json (scripts/run_state.py).
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from run_state import State, keep_result
from safetensors.torch import save_file

import recprune
from recprune import atomic
from recprune.artifact import load, save
from recprune.errors import RecpruneError
from recprune.large import compact
from recprune.recipe.pruned import smaller
from recprune.testing import tiny_split
from recprune.testing.faults import CALLS

SPLIT = tiny_split(users=16, items=12)
KINDS = ("save", "prune", "train", "compact")
OPTIONS = recprune.FitOptions(epochs=3, batch=64, threads=1)


class KilledAt:
    """`os`, whose k-th call of CALLS kills the process before it does anything."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __getattr__(self, name: str) -> object:
        real = getattr(os, name)
        if name not in CALLS:
            return real

        def call(*args: object, **named: object) -> object:
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **named)

        return call


def fresh() -> torch.nn.Module:
    return recprune.build("mf", SPLIT, dim=4, seed=1)


def numbered(number: float) -> torch.nn.Module:
    model = fresh()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(number)
    return model


def savings(folder: Path) -> None:
    """Save whole models of one number each, as long as nobody ends it."""
    number = 2.0
    while True:
        save(folder, numbered(number), vocabularies=SPLIT.vocabularies)
        number += 1


def is_one_number(folder: Path) -> str:
    numbers = {float(n) for p in load(folder).model.parameters() for n in p.detach().unique()}
    return "" if len(numbers) == 1 else f"torn: {sorted(numbers)[:4]}"


class Street:
    """What is needed to prune and to train, made once."""

    def __init__(self, place: Path) -> None:
        self.place, self.big = place, fresh()
        self.plan = recprune.prune(self.big, SPLIT, 0.5, rule="magnitude", finetuned=False).plan
        self.small = self.cut()
        self.trained = self.train(place / "reference.checkpoint")
        self.table = place / "table"
        save_file({"rows": torch.randn(4000, 16, generator=torch.Generator().manual_seed(0))}, self.table)
        self.sums = {compact(self.table, place / "cut", rows).sha256 for rows in (1000, 2000)}

    def cut(self) -> torch.nn.Module:
        example = (torch.tensor([1, 2, 3]),)
        return smaller(self.big, self.plan, example, SPLIT.vocabularies)[0]

    def prunings(self, folder: Path) -> None:
        while True:
            save(folder, self.cut(), plan=self.plan)

    def is_big_or_small(self, folder: Path) -> str:
        held = list(load(folder).model.parameters())
        wholes = [list(m.parameters()) for m in (self.big, self.small)]
        same = any(len(held) == len(w) and all(map(torch.equal, held, w)) for w in wholes)
        return "" if same else "neither the model before nor the one after"

    def cuts(self, out: Path) -> None:
        for rows in itertools.cycle((2000, 1000)):
            compact(self.table, out, rows, block=1 << 14)

    def is_either_cut(self, out: Path) -> str:
        return "" if checksum(out) in self.sums else "neither the table before nor the one after"

    def train(self, checkpoint: Path) -> list[torch.Tensor]:
        model = fresh()
        recprune.fit(model, SPLIT, replace(OPTIONS, checkpoint=checkpoint))
        return [p.detach().clone() for p in model.parameters()]

    def trainings(self, checkpoint: Path) -> None:
        while True:
            checkpoint.unlink(missing_ok=True)
            self.train(checkpoint)

    def goes_on(self, checkpoint: Path) -> str:
        same = all(map(torch.equal, self.train(checkpoint), self.trained))
        atomic.write_bytes(checkpoint, b"")
        return "" if same else "it went on to other weights"


def forked(work: Callable[[], None]) -> int:
    child = os.fork()
    if child:
        return child
    try:
        work()
    finally:
        os._exit(17)


def killed(work: Callable[[], None], seconds: float) -> int:
    """How the child ended whose work was ended by SIGKILL after so many seconds."""
    child = forked(work)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def left_in(place: Path, names: set[str]) -> str:
    extra = {path.name for path in place.iterdir()} - names
    return f"left behind: {sorted(extra)}" if extra else ""


def once(kind: str, street: Street, place: Path, seconds: float) -> str:
    """One kill; empty where all is whole, otherwise what is not."""
    target = place / "a"
    work, check = {
        "save": (savings, is_one_number),
        "prune": (street.prunings, street.is_big_or_small),
        "train": (street.trainings, street.goes_on),
        "compact": (street.cuts, street.is_either_cut),
    }[kind]
    if kind == "train":
        target.unlink(missing_ok=True)
    elif kind == "compact":
        compact(street.table, target, 1000)
    else:
        save(target, numbered(1.0) if kind == "save" else street.big)
    if killed(lambda: work(target), seconds) != -signal.SIGKILL:
        return "the child ended by itself"
    try:
        odd = check(target)
        if kind == "compact":
            compact(street.table, target, 1000)
        elif kind != "train":
            save(target, numbered(0.0))
    except (RecpruneError, OSError) as error:
        return f"{type(error).__name__}: {error}"
    return odd or left_in(place, {"a"})


def every_call(place: Path) -> tuple[int, list[str]]:
    """A save that is killed before its k-th call, for every k."""
    target, odd = place / "a", []
    for at in range(1, 200):
        save(target, numbered(1.0))

        def work(at: int = at) -> None:
            atomic.os = KilledAt(at)
            save(target, numbered(2.0))

        ended = os.waitstatus_to_exitcode(os.waitpid(forked(work), 0)[1])
        odd += [f"call {at}: {said}" for said in (is_one_number(target),) if said]
        save(target, numbered(3.0))
        odd += [f"call {at}: {said}" for said in (left_in(place, {"a"}),) if said]
        if ended == 17:
            return at - 1, odd
    return 199, [*odd, "the save never came to its end"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--state", type=Path, help="file that keeps what was done so far")
    parser.add_argument("--result", action="store_true", help="write benchmarks/results/kill_writes.json")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    state = State.read(asked.state, {"seed": asked.seed}, dict.fromkeys(KINDS, 0))
    with tempfile.TemporaryDirectory() as home:
        places = {kind: Path(home) / kind for kind in (*KINDS, "calls", "street")}
        for place in places.values():
            place.mkdir()
        street = Street(places["street"])
        calls, torn = every_call(places["calls"])
        for number in state.left(asked.kills):
            kind = KINDS[number % len(KINDS)]
            seconds = random.Random(asked.seed * 1_000_000_007 + number).uniform(0.0, 0.04)
            said = once(kind, street, places[kind], seconds)
            state.counts[kind] += 1
            state.odd += [f"{kind} {number}: {said}"] if said else []
    odd = [*torn, *state.odd]
    said_of = {"calls": calls, "kills": state.counts, "seed": asked.seed, "seconds": round(state.seconds, 1)}
    print(json.dumps({**said_of, "torn": odd[:20]}))
    if asked.result:
        keep_result(
            "kill_writes",
            "kill -9: unreadable or torn afterwards, or training that went on to other weights",
            ("killed during", "kills", "torn"),
            [
                *([kind, state.counts[kind], sum(one.startswith(kind) for one in state.odd)] for kind in KINDS),
                ["every call of a save", calls, len(torn)],
            ],
            [f"{state.seconds:,.0f} seconds; a moment of 0 to 40 ms after the work began is drawn for each", *odd[:3]],
            seed=asked.seed,
            script="kill_writes.py",
            words=f"--kills {state.done} --seed {asked.seed}",
        )
    return 1 if odd else 0


if __name__ == "__main__":
    sys.exit(main())
