"""A small shop: data with a cold user and a cold item, models of it, and a server of it in a child process."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch

from recprune import artifact
from recprune.data.store import save_split
from recprune.data.vocabulary import Vocabulary
from recprune.models.build import build
from recprune.models.mf import MF
from recprune.testing import tiny_mixed, tiny_split


def with_strangers(split):
    """The split with a user and an item more, of whom there is no row."""
    more = {"user": "u25", "item": "i17"}
    words = {name: Vocabulary(name, [*split.vocabularies[name].ids, key]) for name, key in more.items()}
    return type(split)(*(replace(part, vocabularies=words) for part in (split.train, split.valid, split.test)))


@pytest.fixture(scope="session")
def split():
    """24 users with 7 of 16 items each, a user "u25" and an item "i17" without any."""
    return with_strangers(tiny_split())


@pytest.fixture(scope="session")
def shop(tmp_path_factory, split):
    """prepared/, ease/ and mf/ of it; small/, of which user u3 and the items i1 and i5 have left; clicks/, of rows."""
    at = tmp_path_factory.mktemp("shop")
    save_split(split, at / "prepared")
    words = split.vocabularies
    ease = build("ease", split)
    ease.refit_(split.train.histories())
    artifact.save(at / "ease", ease, vocabularies=words)
    artifact.save(at / "mf", build("mf", split, dim=4, seed=1), vocabularies=words)
    users, items = words["user"].restrict(without(26, 3)), words["item"].restrict(without(18, 1, 5))
    torch.manual_seed(2)
    artifact.save(at / "small", MF(len(users), len(items), 4), vocabularies={"user": users, "item": items})
    rows = tiny_mixed()
    clicks = build("deepfm", rows, dim=4)
    artifact.save(at / "clicks", clicks, vocabularies=rows.vocabularies)
    return at


def without(rows, *left):
    return [code for code in range(rows) if code not in left]


class Asked:
    """An ASGI application, asked without a network."""

    def __init__(self, app):
        self.app = app

    def __call__(self, method, path, body=b"", headers=(), messages=None):
        return asyncio.run(self._ask(method, path, body, headers, messages))

    def post(self, path, said, **headers):
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        return self("POST", path, body, [(b"content-type", b"application/json")])

    async def _ask(self, method, path, body, headers, messages):
        arriving = iter(messages or [{"type": "http.request", "body": body, "more_body": False}])
        sent = []

        async def receive():
            return next(arriving)

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": method, "path": path, "headers": list(headers)}
        await self.app(scope, receive, send)
        if not sent:
            return None
        head, tail = sent
        return SimpleNamespace(
            status=head["status"],
            headers=dict(head["headers"]),
            body=tail["body"],
            json=lambda: json.loads(tail["body"]),
        )


class Child:
    """`recprune serve` in a process of its own, on a free port."""

    born: ClassVar = []

    def __init__(self, *arguments, env=None):
        self.born.append(self)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "recprune", "serve", *map(str, arguments), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {})},
        )
        self.log = []
        self.port = self._port()
        self._heard = threading.Event()
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def _port(self):
        for line in self.process.stderr:
            self.log.append(line)
            if found := re.search(r"serving http://\S+:(\d+)/", line):
                return int(found[1])
        raise AssertionError("".join(self.log))

    def _listen(self):
        for line in self.process.stderr:
            self.log.append(line)
            self._heard.set()

    def hears(self, words):
        """Wait until the log says so."""
        while not any(words in line for line in self.log):
            self._heard.clear()
            assert self._heard.wait(300) or any(words in line for line in self.log), self.log

    def tell(self, number):
        self.process.send_signal(number)

    def end(self):
        """Its exit code and what it printed, once it has been told to stop."""
        if self.process.poll() is None:
            self.tell(signal.SIGTERM)
        printed, _ = self.process.communicate(timeout=300)
        return self.process.returncode, printed

    def raw(self, data=b""):
        """A connection on which these bytes were sent."""
        return raw(self.port, data)

    def post(self, path, said):
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        with self.raw(request("POST", path, body)) as connection:
            return answer(connection)


def request(method, path, body=b"", *lines):
    """The bytes of a request whose connection is closed afterwards."""
    head = [f"{method} {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", "Connection: close"]
    return "\r\n".join([*head, f"Content-Length: {len(body)}", *lines, "", ""]).encode() + body


def raw(port, data=b""):
    connection = socket.create_connection(("127.0.0.1", port), timeout=300)
    connection.sendall(data)
    return connection


def answer(connection):
    """Status, headers and body of what comes until the other side closes."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while more := connection.recv(1 << 16):
            data += more
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    status = int(first.split()[1]) if first else 0
    return SimpleNamespace(status=status, headers=headers, body=body, data=data, json=lambda: json.loads(body))


@pytest.fixture(scope="session")
def child(shop):
    """A server of small/ beside mf/ whose limits are short, so that tests are."""
    limits = ("--header-seconds", 0.5, "--body-seconds", 0.5, "--max-connections", 24, "--idle-seconds", 2)
    made = Child(shop / "small", "--data", shop / "prepared", "--against", shop / "mf", *limits)
    yield made
    made.end()


@pytest.fixture(scope="session")
def tools():
    """What tests of this folder share."""
    return SimpleNamespace(
        Asked=Asked, Child=Child, request=request, answer=answer, raw=raw, none=np.zeros(0, np.int64)
    )
