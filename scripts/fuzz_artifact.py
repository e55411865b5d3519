"""Mutated artifacts: each is loaded, or refused with ArtifactError; nothing else, within bounds of memory and time.

python scripts/fuzz_artifact.py --cases 1000000 --seed 1 --state fuzz.json --result

Bytes of any file are changed, cut off, put in; and, under sums and a seal that are made anew, so that they are read:
values of the manifest, of the header of the weights, of the plan, the proof, the record of runtimes and the
vocabularies, and the numbers. What is loaded is asked something, too. Says one line of JSON; ends with 1 where anything
else came of it. --state keeps what was done so far, so that a run that was ended goes on where it was; --result writes
benchmarks/results/fuzz_artifact.json (scripts/run_state.py).
"""

from __future__ import annotations

import argparse
import copy
import gc
import hashlib
import json
import os
import random
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from run_state import State, keep_result
from torch import nn

import recprune
from recprune.artifact import load, record, save
from recprune.artifact.speeds import Speeds, Took
from recprune.artifact.writing import checksum
from recprune.errors import ArtifactError
from recprune.models.caser import Caser
from recprune.models.deepfm import DeepFM
from recprune.models.ease import Ease
from recprune.models.mf import MF
from recprune.packing import pack
from recprune.recipe.agree import agree
from recprune.testing import tiny_split

ROOM = 64 << 20
SECONDS = 5.0
HOSTILE: list[Any] = [None, True, False, -1, 0, 1, 2**31, 2**63, 2**64, 10**30, 1.5, -1e308, "", "../x", "/etc/passwd"]
HOSTILE += [10**400, -(10**400), 1e999, "\ud800", "\x1b[2J"]
HOSTILE += ["a\0b", "%2e%2e", "os:system", "é" * 99, "F64", "I64", "BOOL", "0-999999999999", "bits:" + "A" * 64, [], {}]
HOSTILE += [[[[[]]]], [2**40, 2**40], [0], {"a": {}}, "item_bytes", "int4_rows", "product_rows(m=9)", [1] * 300]

Files = dict[str, bytes]


@dataclass(frozen=True)
class Original:
    """An artifact as it should be, and what its model can be asked. folder: where its cases stand, one after the other;
    standing: the files that are there now."""

    files: Files
    example: tuple[torch.Tensor, ...]
    folder: Path
    standing: Files = field(default_factory=dict)


class TooLong(BaseException):
    """More CPU time than any file may take."""


def originals(home: Path) -> list[Original]:
    """Artifacts of many kinds: pruned, packed, by entries, with vocabularies, plan, proof and a record of runtimes."""
    torch.manual_seed(0)
    split = tiny_split(users=12, items=10)
    history = (torch.rand(2, len(split.vocabularies["item"])) > 0.5).float()
    out = []
    for name, inputs in (("mf", (torch.tensor([1, 2]),)), ("ease", (history,))):
        model = recprune.build(name, split, seed=1)
        for parameter in model.parameters():
            parameter.data.add_(torch.randn_like(parameter))
        small = recprune.prune(model, split, 0.4, rule="magnitude", finetuned=False)
        proof = agree(model, small.plan, small.model, split.vocabularies, requests=20)
        folder = home / f"{name}-pruned"
        save(folder, small.model, vocabularies=small.vocabularies, plan=small.plan, proof=proof, notes={"a": [1]})
        out.append(Original(read(folder), inputs, home / f"case-{len(out)}"))
    ids, fields = torch.tensor([1, 2]), (torch.tensor([1, 2]), torch.tensor([3, 0]))
    packed: list[tuple[nn.Module, dict[str, str], tuple[torch.Tensor, ...]]] = [
        (MF(16, 18, 16), {"user.weight": "int8_rows", "item.weight": "sparse_rows"}, (ids,)),
        (MF(16, 18, 16), {"user.weight": "int4_rotated_rows(seed=3)", "item.weight": "top_entries(k=3)"}, (ids,)),
        (MF(500, 64, 16), {"user.weight": "product_rows", "item.weight": "sparse_rows(entries=60,bits=4)"}, (ids,)),
        (DeepFM(["a", "b"], [25, 27], dim=12, hidden=(16,)), {}, fields),
        (Caser(22, 5, 14, 3, (1, 2), 2), {}, (torch.ones(2, 5, dtype=torch.int64),)),
        (Ease(9), {}, (torch.ones(2, 9),)),
    ]
    for number, (model, encodings, inputs) in enumerate(packed):
        folder = home / f"packed-{number}"
        save(folder, pack(model, encodings) if encodings else model)
        if isinstance(model, DeepFM):
            one = Took(1.5, 1.0, 2.0)
            record(folder, Speeds(checksum(model), "here", {1: {"eager": one, "kernels": one}}, {1: "kernels"}))
        out.append(Original(read(folder), inputs, home / f"case-{len(out)}"))
    return out


def read(folder: Path) -> Files:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def bytes_changed(draw: random.Random, files: Files) -> Files:
    """Any byte of any file, nothing put right afterwards."""
    name = draw.choice(sorted(files))
    return {**files, name: damaged(draw, files[name])}


def damaged(draw: random.Random, data: bytes) -> bytes:
    place, how = draw.randrange(len(data) + 1), draw.randrange(6)
    if how == 0:
        return data[:place]
    if not data:
        return draw.randbytes(3)
    if how == 1:
        return data[:place] + draw.randbytes(draw.randrange(1, 20)) + data[place:]
    if how == 2:
        return data + data[:place]
    if how == 3:
        return data[:place] + bytes(len(data) - place)
    out = bytearray(data)
    for _ in range(draw.randrange(1, 9)):
        out[draw.randrange(len(out))] = draw.choice([0, 1, 127, 128, 255, draw.randrange(256)])
    return bytes(out)


def names_changed(draw: random.Random, files: Files) -> Files:
    name, out = draw.choice(sorted(files)), dict(files)
    data = out.pop(name)
    if draw.random() < 0.5:
        out[
            draw.choice(
                ["x", "weights.bin", "plan.json", "vocabulary-9.json", "proof.json", "runtimes.json", ".hidden"]
            )
        ] = data
    return out


def value_changed(draw: random.Random, value: Any) -> Any:
    """Plain data with one value changed, left out, put in or doubled, somewhere inside, in its place."""
    here, places = value, list[tuple[Any, Any]]()
    stack = [value]
    while stack and len(places) < 4000:
        here = stack.pop()
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        places += [(here, key) for key in keys]
        stack += [here[key] for key in keys if isinstance(here[key], dict | list)]
    if not places or draw.random() < 0.02:
        return draw.choice(HOSTILE)
    where, key = draw.choice(places)
    how, old = draw.randrange(7), where[key]
    if how == 0:
        del where[key]
    elif how == 1 and isinstance(where, dict):
        where[draw.choice(["x", "", "..", str(key) + "x", "sha256"])] = old
    elif how == 2:
        where[key] = copy.deepcopy(draw.choice(places)[0])
    elif how == 3 and isinstance(old, int):
        where[key] = old + draw.choice([-1, 1, 7, 2**16, -(2**16)])
    elif how == 4 and isinstance(old, str):
        where[key] = damaged(draw, old.encode()).decode("utf-8", "replace")
    else:
        where[key] = draw.choice(HOSTILE)
    return value


def put_right(files: Files, manifest: Any) -> Files:
    """Sums and a seal that fit what is there."""
    listed = manifest.get("files") if isinstance(manifest, dict) else None
    if isinstance(listed, dict):
        for name in listed.keys() & files.keys():
            listed[name] = {"bytes": len(files[name]), "sha256": hashlib.sha256(files[name]).hexdigest()}
    try:
        return {**files, "manifest.json": resealed(manifest)}
    except (ValueError, TypeError, RecursionError):
        return files


def resealed(manifest: Any) -> bytes:
    """The seal as `recprune.artifact.manifest.sealed` puts it on, and the rest on one line, which is written in C."""
    if not isinstance(manifest, dict):
        return b"[]"
    manifest.pop("sha256", None)
    text = json.dumps(manifest, ensure_ascii=False, allow_nan=False).removesuffix("}")
    seal = hashlib.sha256(f"{text}\n}}".encode()).hexdigest()
    return f'{text},\n "sha256": "{seal}"\n}}'.encode()


def manifest_changed(draw: random.Random, files: Files) -> Files:
    manifest = value_changed(draw, json.loads(files["manifest.json"]))
    if draw.random() < 0.8:
        return put_right(files, manifest)
    return put_right(put_right(files, copy.deepcopy(manifest)), manifest)


def json_changed(draw: random.Random, files: Files) -> Files:
    names = [name for name in files if name.endswith(".json") and name != "manifest.json"]
    if not names:
        return header_changed(draw, files)
    name = draw.choice(sorted(names))
    content = value_changed(draw, json.loads(files[name]))
    changed = json.dumps(content).encode() if draw.random() < 0.8 else damaged(draw, files[name])
    if draw.random() < 0.05:  # a key that stands twice
        changed = changed.replace(b"{", b'{"' + draw.choice([b"format", b"cut", b"took", b"x"]) + b'": 1, ', 1)
    return put_right({**files, name: changed}, json.loads(files["manifest.json"]))


def header_changed(draw: random.Random, files: Files) -> Files:
    data = files["weights.safetensors"]
    length = int.from_bytes(data[:8], "little")
    header = json.dumps(value_changed(draw, json.loads(data[8 : 8 + length])), separators=(",", ":")).encode()
    header = header.ljust(length) if draw.random() < 0.8 else header
    size = len(header) if draw.random() < 0.9 else draw.choice([0, 2**62, 2**64 - 1, len(header) + 1, len(data)])
    weights = size.to_bytes(8, "little") + header + data[8 + length :]
    return put_right({**files, "weights.safetensors": weights}, json.loads(files["manifest.json"]))


def numbers_changed(draw: random.Random, files: Files) -> Files:
    """Numbers and indices, of the right length."""
    data = bytearray(files["weights.safetensors"])
    begin = 8 + int.from_bytes(data[:8], "little")
    for _ in range(draw.randrange(1, 6)):
        if begin < len(data):
            data[draw.randrange(begin, len(data))] = draw.choice([0, 1, 127, 128, 255, draw.randrange(256)])
    return put_right({**files, "weights.safetensors": bytes(data)}, json.loads(files["manifest.json"]))


MUTATIONS: list[Callable[[random.Random, Files], Files]] = [
    bytes_changed,
    names_changed,
    manifest_changed,
    manifest_changed,
    json_changed,
    header_changed,
    numbers_changed,
]


def written(original: Original, files: Files) -> None:
    """Bring the folder of an original to another state; files that are the same stay."""
    for name in original.standing.keys() - files.keys():
        (original.folder / name).unlink()
    for name, data in files.items():
        if original.standing.get(name) is not data:
            (original.folder / name).write_bytes(data)
    original.standing.clear()
    original.standing.update(files)


def judged(original: Original, how: str) -> str:
    """ "loaded", "refused", or what went wrong."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        loaded = load(original.folder)
        if how == "numbers_changed":
            with torch.no_grad():
                loaded.model(*original.example)
        return "loaded"
    except ArtifactError:
        return "refused"
    except TooLong:
        return f"more than {SECONDS} s of CPU"
    except BaseException as error:
        return f"{type(error).__name__}: {error} | {traceback.format_exc().splitlines()[-3].strip()}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def limited() -> None:
    """No more memory than is used now, and ROOM; what is to be read is small."""

    def too_long(*_: object) -> None:
        raise TooLong

    signal.signal(signal.SIGPROF, too_long)
    used = resource.getpagesize() * int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, used + ROOM))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for artifacts that something else came of")
    parser.add_argument("--state", type=Path, help="file that keeps what was done so far")
    parser.add_argument("--result", action="store_true", help="write benchmarks/results/fuzz_artifact.json")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    state = State.read(asked.state, {"seed": asked.seed}, {"loaded": 0, "refused": 0})
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as home:
        whole = originals(Path(home))
        for original in whole:
            original.folder.mkdir()
            written(original, original.files)
            assert judged(original, "numbers_changed") == "loaded"
        gc.freeze()  # what was imported is not looked through again and again
        limited()
        for number in state.left(asked.cases):
            draw = random.Random(asked.seed * 1_000_000_007 + number)
            original, how = draw.choice(whole), draw.choice(MUTATIONS)
            files = how(draw, original.files)
            written(original, files)
            said = judged(original, how.__name__)
            if said in state.counts:
                state.counts[said] += 1
                continue
            state.odd.append(f"case {number} ({how.__name__}): {said}")
            if asked.keep:
                (asked.keep / str(number)).mkdir(parents=True, exist_ok=True)
                for name, data in files.items():
                    (asked.keep / str(number) / name).write_bytes(data)
    said_of = {"cases": state.done, "seed": asked.seed, **state.counts, "failed": len(state.odd)}
    print(json.dumps({**said_of, "seconds": round(state.seconds, 1), "first": state.odd[:20]}))
    if asked.result:
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
            seed=asked.seed,
            script="fuzz_artifact.py",
            words=f"--cases {state.done} --seed {asked.seed}",
        )
    return 1 if state.odd else 0


if __name__ == "__main__":
    sys.exit(main())
