"""A workshop: prepared data and models of it, at a desk in this process and in a studio of its own."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from recprune import artifact
from recprune.data.store import save_split
from recprune.recipe.train import train
from recprune.serving.gate import Gate
from recprune.studio.app import App
from recprune.studio.desk import desk_of
from recprune.testing import tiny_clicks, tiny_split
from recprune.training.options import FitOptions


@pytest.fixture(scope="session")
def workshop(tmp_path_factory):
    """lists/ and clicks/: prepared/ and big/ of each, an mf and a deepfm; solved/: an ease."""
    at = tmp_path_factory.mktemp("workshop")
    torch.manual_seed(0)
    for name, split, model, settings in (
        ("lists", tiny_split(), "mf", {"dim": 8}),
        ("clicks", tiny_clicks(), "deepfm", {"dim": 4}),
        ("solved", tiny_split(), "ease", {}),
    ):
        (at / name).mkdir()
        save_split(split, at / name / "prepared")
        made, _ = train(model, split, settings=settings, options=FitOptions(epochs=2))
        artifact.save(at / name / "big", made, vocabularies=split.vocabularies)
    return at


@pytest.fixture
def at_desk(workshop, tmp_path):
    """A new desk, with smaller models going to a folder of the test."""

    def made(name, **more):
        return desk_of(workshop / name / "prepared", workshop / name / "big", out=tmp_path, **more)

    return made


def finished(job, desk):
    """What a job told once it was over."""
    desk.line.wait(300)
    return job.told()


@pytest.fixture
def done():
    return finished


class Page:
    """The application, asked as its own page asks it."""

    def __init__(self, desk, token=None):
        self.app = App(desk, gate=Gate(token))
        self.headers = {"host": "localhost:8643"}

    def get(self, path, **headers):
        return asyncio.run(self._ask("GET", path, b"", {**self.headers, **headers}))

    def post(self, path, said, **headers):
        own = {
            "content-type": "application/json",
            "origin": "http://localhost:8643",
            "x-recprune-page": self.app.word,
        }
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in {**self.headers, **own, **named}.items() if value is not None}
        return asyncio.run(
            self._ask("POST", path, said if isinstance(said, bytes) else json.dumps(said).encode(), sent)
        )

    async def _ask(self, method, path, body, headers):
        sent = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        lines = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self.app({"type": "http", "method": method, "path": path, "headers": lines}, receive, send)
        head, tail = sent
        return SimpleNamespace(
            status=head["status"],
            headers=dict(head["headers"]),
            json=lambda: json.loads(tail["body"]),
            body=tail["body"],
        )


@pytest.fixture
def page_of():
    return Page


class Studio:
    """`recprune ui` in a process of its own, on a free port."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "recprune", "ui", *map(str, arguments), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        said = []
        for line in self.process.stderr:
            said.append(line)
            if found := re.search(r"serving (http://\S+)", line):
                self.address = found[1]
                return
        raise AssertionError("".join(said))

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        printed, _ = self.process.communicate(timeout=300)
        return self.process.returncode, printed


@pytest.fixture(scope="session")
def studio():
    """Starts studios, and ends those that the test did not."""
    born = []

    def start(*arguments):
        born.append(Studio(*arguments))
        return born[-1]

    yield start
    for one in born:
        if one.process.poll() is None:
            one.end()
