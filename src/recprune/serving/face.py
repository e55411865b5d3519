"""What an HTTP face of ours has in common: fixed paths, fixed refusals, bodies within their limits, nothing told."""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from typing import Any, ClassVar

from recprune.serving.gate import Gate
from recprune.serving.limits import Limits
from recprune.serving.metrics import Metrics
from recprune.serving.page import HEADERS
from recprune.serving.refusals import Refusal, body_of

__all__ = ["JSON", "Face", "Headers", "Receive", "Said"]

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
Said = Mapping[bytes, bytes]
"""Headers by name, without the space around their values; of one that stands twice the last, but for the host, which
stands once."""

LOG = logging.getLogger("recprune.serving")
JSON = (b"content-type", b"application/json")
ALWAYS: Headers = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


class Face(ABC):
    """An ASGI application of its own, whose `answer` says what it has to say or raises a Refusal.

    crowd: how many requests are in flight, and how many connections are open. workers: where models run, so that the
    event loop stays free to say no; None runs them in the loop, which is right for models of a millisecond or two.
    files: of the page, kind and content by path.
    """

    files: ClassVar[Mapping[str, tuple[bytes, bytes]]]

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        gate: Gate | None = None,
        metrics: Metrics | None = None,
        workers: Executor | None = None,
        crowd: Callable[[], tuple[int, int]] = lambda: (0, 0),
    ) -> None:
        self.limits, self.gate = limits or Limits(), gate or Gate(None)
        self.metrics, self.workers, self.crowd = metrics or Metrics(), workers, crowd

    @abstractmethod
    async def answer(self, path: str, method: str, said: Said, receive: Receive) -> tuple[int, bytes, Headers]:
        """Status, body and headers. Raises Refusal."""

    @abstractmethod
    def paths(self, method: str) -> frozenset[str]:
        """What there is to GET, or to POST to."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"no {scope['type']} here")
        begin, path, method = time.perf_counter(), scope["path"], scope["method"]
        extra: Headers = []
        try:
            status, body, extra = await self.answer(path, method, _said(scope), receive)
        except Refusal as refusal:
            status, body, extra = refusal.status, refusal.body, self._beside(refusal.code, path)
        except _GoneError:
            return
        except Exception as error:
            _log(error)
            status, body, extra = 500, body_of("internal"), [JSON]
        headers = [*extra, *ALWAYS, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        known = path if path in self.paths("GET") or path in self.paths("POST") else "other"
        self.metrics.answered(known, status, time.perf_counter() - begin)

    async def body(self, said: Said, receive: Receive) -> bytes:
        """The body, as it arrives, up to the limit. Raises Refusal: not_json, too_large."""
        if said.get(b"content-type", b"").partition(b";")[0].strip().lower() != b"application/json":
            raise Refusal("not_json")
        length = said.get(b"content-length", b"0")
        if len(length) > 18 or not length.isdigit() or int(length) > self.limits.body:
            raise Refusal("too_large")
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise _GoneError
            body += message.get("body", b"")
            if len(body) > self.limits.body:
                raise Refusal("too_large")
            if not message.get("more_body", False):
                return bytes(body)

    def admit(self, path: str, said: Said) -> None:
        """Raise Refusal where the host is not ours, or the token is missing and this is neither the page nor /healthz,
        which are open to all: they say nothing of the model or the data."""
        self.gate.check_host(said.get(b"host"))
        if path != "/healthz" and path not in self.files:
            self.gate.check_token(said.get(b"authorization"))

    def plain(self, path: str) -> tuple[bytes, Headers] | None:
        """Body and headers of a file of the page, of /healthz and of /metrics; None for another path."""
        if path in self.files:
            kind, content = self.files[path]
            return content, [(b"content-type", kind), *HEADERS]
        if path == "/healthz":
            return b'{"status":"ok"}', [JSON]
        if path == "/metrics":
            return self.metrics.text(*self.crowd()), [(b"content-type", b"text/plain; version=0.0.4")]
        return None

    async def run(self, work: Callable[[], Any]) -> Any:
        """What `work` gives, in a worker where there are any."""
        if self.workers is None:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self.workers, work)

    def _beside(self, code: str, path: str) -> Headers:
        """Headers that go with a refusal."""
        extra: Headers = [JSON]
        if code == "unauthorized":
            extra.append((b"www-authenticate", b"Bearer"))
        if code == "method_not_allowed":
            extra.append((b"allow", b"POST" if path in self.paths("POST") else b"GET, HEAD"))
        if code in ("bad_request", "too_large", "not_json", "unauthorized", "wrong_host"):
            extra.append((b"connection", b"close"))  # before the rest of a body is read
        return extra


def _said(scope: Scope) -> Said:
    """Raises Refusal where the host stands twice, or not at all where it must (RFC 9112, 3.2)."""
    hosts = sum(name == b"host" for name, _ in scope["headers"])
    if hosts > 1 or (not hosts and scope.get("http_version") == "1.1"):
        raise Refusal("bad_request")
    return {name: value.strip(b" \t") for name, value in scope["headers"]}


class _GoneError(Exception):
    """The other side has left."""


def _log(error: Exception) -> None:
    """What went wrong, and where: not its words, for they may hold what was asked."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = "" if place is None else f" at {place.tb_frame.f_code.co_filename}:{place.tb_lineno}"
    LOG.error("%s%s", type(error).__name__, where)
