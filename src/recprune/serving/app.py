"""The HTTP face, as an ASGI application of its own: a handful of fixed paths, each with a fixed way to say no."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from typing import Any

import msgspec

from recprune.serving.gate import Gate
from recprune.serving.limits import Limits
from recprune.serving.messages import Listing, Scores, ask_of, rows_of
from recprune.serving.metrics import Metrics
from recprune.serving.offer import SOME, Offer
from recprune.serving.openapi import document, row_decoder
from recprune.serving.page import FILES, HEADERS
from recprune.serving.refusals import Refusal, body_of
from recprune.serving.service import Service

__all__ = ["App"]

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

LOG = logging.getLogger("recprune.serving")
JSON = (b"content-type", b"application/json")
ALWAYS: Headers = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
LISTS = ("/recommend", "/against")
OPEN = frozenset({"/healthz", *FILES})
"""Paths that need no token: they say nothing of the model or the data."""
ENCODER = msgspec.json.Encoder()


class App:
    """Answers requests from one offer at a time; `take` puts another one in its place.

    crowd: how many requests are in flight, and how many connections are open. workers: where models run, so that the
    event loop stays free to say no; None runs them in the loop, which is right for models of a millisecond or two.
    """

    def __init__(
        self,
        offer: Offer,
        *,
        limits: Limits | None = None,
        gate: Gate | None = None,
        metrics: Metrics | None = None,
        workers: Executor | None = None,
        crowd: Callable[[], tuple[int, int]] = lambda: (0, 0),
    ) -> None:
        self.limits, self.gate = limits or Limits(), gate or Gate(None)
        self.metrics, self.workers, self.crowd = metrics or Metrics(), workers, crowd
        self.take(offer)

    def take(self, offer: Offer) -> None:
        """Answer from this offer from now on; requests that have begun are answered from the one before."""
        rows = None if offer.scorer is None else row_decoder(offer.scorer, self.limits)
        posts = {path: True for path, service in zip(LISTS, (offer.lists, offer.against), strict=True) if service}
        if offer.scorer is not None:
            posts["/score"] = True
        self._now = (offer, rows, frozenset(posts), ENCODER.encode(document(offer, self.limits, self.gate.closed)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"no {scope['type']} here")
        begin, path, method = time.perf_counter(), scope["path"], scope["method"]
        extra: Headers = []
        try:
            status, body, extra = await self._answer(path, method, scope, receive)
        except Refusal as refusal:
            status, body, extra = refusal.status, body_of(refusal.code), _beside(refusal.code, path)
        except _GoneError:
            return
        except Exception as error:
            _log(error)
            status, body, extra = 500, body_of("internal"), [JSON]
        headers = [*extra, *ALWAYS, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        known = path if path in OPEN or path in ("/metrics", "/about", "/openapi.json", *self._now[2]) else "other"
        self.metrics.answered(known, status, time.perf_counter() - begin)

    async def _answer(self, path: str, method: str, scope: Scope, receive: Receive) -> tuple[int, bytes, Headers]:
        said = _said(scope["headers"])
        self.gate.check_host(said.get(b"host"))
        if path not in OPEN:
            self.gate.check_token(said.get(b"authorization"))
        offer, rows, posts, openapi = self._now
        if path in posts:
            if method != "POST":
                raise Refusal("method_not_allowed")
            body = await self._body(said, receive)
            if path == "/score":
                return 200, await self._score(offer, rows, body), [JSON]
            return 200, await self._list(offer.lists if path == "/recommend" else offer.against, body), [JSON]
        answer = self._get(path, offer, openapi)
        if method not in ("GET", "HEAD"):
            raise Refusal("method_not_allowed")
        return 200, *answer

    def _get(self, path: str, offer: Offer, openapi: bytes) -> tuple[bytes, Headers]:
        if path in FILES:
            kind, content = FILES[path]
            return content, [(b"content-type", kind), *HEADERS]
        if path == "/healthz":
            return b'{"status":"ok"}', [JSON]
        if path == "/metrics":
            return self.metrics.text(*self.crowd()), [(b"content-type", b"text/plain; version=0.0.4")]
        if path == "/openapi.json":
            return openapi, [JSON]
        if path == "/about":
            return ENCODER.encode(offer.about), [JSON]
        raise Refusal("no_such_path")

    async def _body(self, said: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """The body, as it arrives, up to the limit."""
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

    async def _list(self, service: Service | None, body: bytes) -> bytes:
        assert service is not None
        ask = ask_of(body)
        if (ask.user is msgspec.UNSET) == (ask.history is msgspec.UNSET):
            raise Refusal("user_or_history")
        there = len(service.items.ids)
        k = min(SOME, there) if ask.k is msgspec.UNSET else ask.k
        if not 1 <= k <= min(self.limits.k, there):
            raise Refusal("k_out_of_range")
        history = () if ask.history is msgspec.UNSET else ask.history
        if len(history) + len(ask.exclude) > self.limits.ids:
            raise Refusal("too_many_ids")
        if ask.user is msgspec.UNSET:
            given = await self._run(lambda: service.by_history(history, k, ask.exclude))
        else:
            user = ask.user
            given = await self._run(lambda: service.by_user(user, k, ask.exclude))
        self.metrics.fallback += given.fallback
        self.metrics.left += given.left
        return ENCODER.encode(Listing(given.items, given.scores, given.fallback))

    async def _score(self, offer: Offer, decoder: Any, body: bytes) -> bytes:
        scorer = offer.scorer
        assert scorer is not None
        rows = [msgspec.structs.astuple(row) for row in rows_of(body, decoder)]
        several = sum(len(cell) for row in rows for cell in row if isinstance(cell, list))
        if len(rows) > self.limits.ids or several > self.limits.ids:
            raise Refusal("too_many_ids")
        probabilities, unknown = await self._run(lambda: scorer.score(rows))
        self.metrics.unknown += sum(unknown)
        return ENCODER.encode(Scores(probabilities, unknown))

    async def _run(self, work: Callable[[], Any]) -> Any:
        if self.workers is None:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self.workers, work)


class _GoneError(Exception):
    """The other side has left."""


def _said(headers: Headers) -> dict[bytes, bytes]:
    """Headers by name; of one that stands twice the last."""
    return dict(headers)


def _beside(code: str, path: str) -> Headers:
    """Headers that go with a refusal."""
    extra: Headers = [JSON]
    if code == "unauthorized":
        extra.append((b"www-authenticate", b"Bearer"))
    if code == "method_not_allowed":
        extra.append((b"allow", b"POST" if path in (*LISTS, "/score") else b"GET, HEAD"))
    if code in ("too_large", "not_json", "unauthorized", "wrong_host"):
        extra.append((b"connection", b"close"))  # before the rest of a body is read
    return extra


def _log(error: Exception) -> None:
    """What went wrong, and where: not its words, for they may hold what was asked."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = "" if place is None else f" at {place.tb_frame.f_code.co_filename}:{place.tb_lineno}"
    LOG.error("%s%s", type(error).__name__, where)
