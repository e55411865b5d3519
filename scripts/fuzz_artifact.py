"""Mutated artifacts: each is loaded, or refused with ArtifactError; nothing else, within bounds of memory and time.

python scripts/fuzz_artifact.py --cases 1000000 --seed 1 --jobs 4 --state fuzz.json --result

Bytes of any file are changed, cut off, put in; and, under sums and a seal that are made anew, so that they are read:
values of the manifest, of the header of the weights, of the plan, the proof, the record of runtimes and the
vocabularies, and the numbers. What is loaded is asked something, too. Says one line of JSON; ends with 1 where anything
else came of it. --jobs processes judge the same cases with the same end, however many they are. --state keeps what was
done so far, so that a run that was ended goes on where it was, with any number of them; --result writes
benchmarks/results/fuzz_artifact.json (scripts/run_state.py).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import torch
from fuzzing.jobs import BLOCK, Asked, found
from fuzzing.judge import ROOM, SECONDS
from fuzzing.originals import Original, originals
from run_state import State, keep_result


def read_words() -> argparse.Namespace:
    """What was asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--keep", type=Path, help="folder for artifacts that something else came of")
    parser.add_argument("--state", type=Path, help="file that keeps what was done so far")
    parser.add_argument("--result", action="store_true", help="write benchmarks/results/fuzz_artifact.json")
    said = parser.parse_args()
    if said.jobs < 1:
        parser.error(f"--jobs is 1 or more, not {said.jobs}")
    return said


def judge(state: State, whole: Sequence[Original], asked: Asked, cases: int, jobs: int) -> None:
    """What is left of the cases, into the state."""
    with closing(found(whole, asked, range(state.done, cases), jobs)) as blocks:
        for _, one in zip(state.left(cases, BLOCK), blocks, strict=False):
            for said, many in one.counts.items():
                state.counts[said] += many
            state.odd += one.odd


def tell(state: State, whole: Sequence[Original], seed: int, jobs: int) -> None:
    """Write the result."""
    counts = [state.done, state.counts["loaded"], state.counts["refused"], len(state.odd), round(state.seconds)]
    keep_result(
        "fuzz_artifact",
        "Mutated artifacts: loaded, or refused with ArtifactError, and nothing else",
        ("mutations", "loaded", "refused", "anything else", "seconds"),
        [counts],
        [
            f"{ROOM >> 20} MiB of memory beside what is used and {SECONDS:g} s of CPU each; originals of "
            f"{len(whole)} kinds; what is loaded with other numbers is asked something, too",
            *state.odd[:3],
        ],
        seed=seed,
        script="fuzz_artifact.py",
        words=f"--cases {state.done} --seed {seed}" + (f" --jobs {jobs}" if jobs > 1 else ""),
    )


def main() -> int:
    words = read_words()
    torch.set_num_threads(1)
    state = State.read(words.state, {"seed": words.seed}, {"loaded": 0, "refused": 0})
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as home:
        whole = originals(Path(home))
        judge(state, whole, Asked(words.seed, Path(home), words.keep), words.cases, words.jobs)
    said = {"cases": state.done, "seed": words.seed, **state.counts, "failed": len(state.odd)}
    print(json.dumps({**said, "seconds": round(state.seconds, 1), "first": state.odd[:20]}))
    if words.result:
        tell(state, whole, words.seed, words.jobs)
    return 1 if state.odd else 0


if __name__ == "__main__":
    sys.exit(main())
