"""Requests a second of `recprune serve`, beside the same model behind FastAPI: each server on one core, wrk on another.

    python -m benchmarks.serving [--seconds 10] [--items 40981] [--dim 64]

Without wrk a small load maker in this process asks instead; then the servers answer less than they could.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from benchmarks.result import write_result

from recprune import artifact
from recprune.data.dataset import Dataset, Roles, Split
from recprune.data.store import save_split
from recprune.data.vocabulary import Vocabulary
from recprune.models.mf import MF

USERS, EACH, K = 2_000, 27, 20
RIVAL = """
import sys
from pathlib import Path

import torch
import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from recprune.recipe.served import offer_of

torch.set_num_threads(1)
service = offer_of(Path(sys.argv[1]), Path(sys.argv[2])).lists
app = FastAPI()


class Ask(BaseModel):
    user: str
    k: int = 20


class Listing(BaseModel):
    items: list[str]
    scores: list[float]
    fallback: bool


@app.post("/recommend", response_model=Listing)
async def recommend(ask: Ask):
    given = service.by_user(ask.user, ask.k)
    return Listing(items=given.items, scores=given.scores, fallback=given.fallback)


print("serving http://127.0.0.1:" + sys.argv[3] + "/", file=sys.stderr, flush=True)
uvicorn.run(app, port=int(sys.argv[3]), log_level="critical", access_log=False)
"""
LUA = """
local n = {users}
request = function()
  return wrk.format("POST", "/recommend", {{["Content-Type"] = "application/json"}},
    '{{"user":"u' .. math.random(n) .. '","k":{k}}}')
end
"""


def shop(at: Path, items: int, dim: int) -> None:
    """Data and a model of it, drawn: what is measured does not depend on what was learned."""
    rng = np.random.default_rng(0)
    columns = {
        "user": np.repeat(np.arange(1, USERS + 1, dtype=np.int32), EACH),
        "item": rng.integers(1, items, USERS * EACH).astype(np.int32),
    }
    words = {"user": _words("u", USERS), "item": _words("i", items - 1)}
    whole = Dataset(columns, words, Roles(user="user", item="item"))
    none = whole.take(np.zeros(len(whole), dtype=bool))
    save_split(Split(whole, none, none), at / "prepared")
    torch.manual_seed(0)
    artifact.save(at / "model", MF(USERS + 1, items, dim), vocabularies=words)


def _words(letter: str, n: int) -> Vocabulary:
    return Vocabulary({"u": "user", "i": "item"}[letter], [f"{letter}{number}" for number in range(1, n + 1)])


@contextlib.contextmanager
def running(command: list[str], core: int) -> Iterator[int]:
    """A server on one core; gives its port."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=env)
    os.sched_setaffinity(process.pid, {core})
    try:
        assert process.stderr is not None
        found = next(m for line in process.stderr if (m := re.search(r"serving http://\S+:(\d+)/", line)))
        for thread in os.listdir(f"/proc/{process.pid}/task"):
            os.sched_setaffinity(int(thread), {core})
        while _refuses(int(found[1])):
            time.sleep(0.1)
        yield int(found[1])
    finally:
        process.terminate()
        process.wait()


def _refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def measured(port: int, connections: int, seconds: float, core: int) -> tuple[float, float, float]:
    """Requests a second, and milliseconds that half and 99 of 100 took."""
    return (_by_wrk if shutil.which("wrk") else _by_asyncio)(port, connections, seconds, core)


def _by_wrk(port: int, connections: int, seconds: float, core: int) -> tuple[float, float, float]:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(LUA.format(users=USERS, k=K))
        file.flush()
        command = [
            "taskset",
            "-c",
            str(core),
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds:.0f}s",
            "--latency",
            "--timeout",
            "30s",
        ]
        said = subprocess.run(
            [*command, "-s", file.name, f"http://127.0.0.1:{port}"], capture_output=True, text=True, check=True
        ).stdout
    if "Non-2xx" in said:
        raise RuntimeError(said)
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])  # type: ignore[index]
    half, most = (_milliseconds(said, share) for share in ("50%", "99%"))
    return rate, half, most


def _milliseconds(said: str, share: str) -> float:
    number, unit = re.search(rf"{share}\s+([\d.]+)(us|ms|s)\b", said).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]


def _by_asyncio(port: int, connections: int, seconds: float, core: int) -> tuple[float, float, float]:
    took: list[float] = []

    async def ask(until: float) -> None:
        rng = np.random.default_rng()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (begin := time.perf_counter()) < until:
            body = json.dumps({"user": f"u{rng.integers(1, USERS)}", "k": K}).encode()
            head = "POST /recommend HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200")
            await reader.readexactly(int(re.search(rb"content-length: (\d+)", answer)[1]))  # type: ignore[index]
            took.append(time.perf_counter() - begin)
        writer.close()

    async def all_of_them() -> None:
        until = time.perf_counter() + seconds
        await asyncio.gather(*(ask(until) for _ in range(connections)))

    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    asyncio.run(all_of_them())
    os.sched_setaffinity(0, before)
    return len(took) / seconds, 1e3 * float(np.median(took)), 1e3 * float(np.quantile(took, 0.99))


def main() -> None:
    """Ask both servers in turns, twice, and write the better run of each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--items", type=int, default=40_981)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(1)
    cores = sorted(os.sched_getaffinity(0))
    here, there = cores[0], cores[-1]
    best: dict[tuple[str, int], tuple[float, float, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        shop(at, given.items, given.dim)
        (at / "rival.py").write_text(RIVAL)
        paths = str(at / "model"), str(at / "prepared")
        servers = {
            "recprune serve": ["-m", "recprune", "serve", paths[0], "--data", paths[1], "--port", "8653"],
            "FastAPI, the same model": [str(at / "rival.py"), *paths, "8654"],
        }
        for _ in range(given.rounds):
            for name, command in servers.items():
                with running([sys.executable, *command], here) as port:
                    measured(port, 4, min(2.0, given.seconds), there)
                    for connections in (1, 16):
                        found = measured(port, connections, given.seconds, there)
                        print(name, connections, found, flush=True)
                        best[name, connections] = max(best.get((name, connections), (0.0, 0.0, 0.0)), found)
    rows = [[name, connections, *numbers] for (name, connections), numbers in best.items()]
    maker = "wrk" if shutil.which("wrk") else "a load maker in Python"
    ours, theirs = (best[name, 16][0] for name in servers)
    path = write_result(
        "serving",
        "Requests a second on one core",
        ["server", "connections", "requests/s", "median ms", "p99 ms"],
        rows,
        notes=[
            f"Top {K} of {given.items:,} items x {given.dim}, without the {EACH} items that a user had",
            f"Server on one core, {maker} on another; the better of {given.rounds} runs in turns",
            f"At 16 connections {ours / theirs:.2f} times the requests",
        ],
        data=["drawn"],
        seeds=[0],
    )
    print(path.read_text())


if __name__ == "__main__":
    main()
