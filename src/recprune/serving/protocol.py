"""One connection, with time and size limits that uvicorn's own protocol does not have."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from recprune.serving.limits import Limits
from recprune.serving.metrics import Metrics
from recprune.serving.refusals import WORDS, body_of

__all__ = ["Guarded", "Settings"]


GRACE = 0.05
"""Seconds that are given on top of a limit, for what lies unread."""


class Settings(Config):
    """uvicorn's configuration, and what our protocol asks of it."""

    def __init__(self, app: Any, limits: Limits, metrics: Metrics, **options: Any) -> None:
        super().__init__(
            app,
            http=Guarded,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=limits.idle_seconds,  # type: ignore[arg-type]
            timeout_graceful_shutdown=limits.drain_seconds,  # type: ignore[arg-type]
            **options,
        )
        self.limits, self.metrics = limits, metrics


class Guarded(HttpToolsProtocol):
    """A connection that is cut off where a request comes too slowly or too large, or nobody takes the answer.

    At every moment it is in one stage, "headers", "body" or none at all (a request is complete, or none has begun on a
    connection that was used before), and a stage that is not left in time ends the connection. Too many connections, or
    too many requests in flight, are answered at once with 503.
    """

    config: Settings

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._limits = self.config.limits
        self._stage: str | None = "headers"
        self._number = 0
        self._timed: tuple[int, str | None] = (-1, None)
        self._timer: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._headers_size = self._raw_size = 0
        self._why = "bad_request"

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections:
            self.config.metrics.refused_connections += 1
            self._say("overloaded")
        else:
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._timer, self._stall):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        begun = self._number if self._stage == "headers" else -1
        super().data_received(data)
        if self.transport.is_closing():
            return
        if begun == self._number and self._stage == "headers":
            self._raw_size += len(data)
            if self._raw_size > self._limits.headers:
                return self._say("headers_too_large")
        self._watch()

    def on_message_begin(self) -> None:
        self._stage, self._headers_size, self._raw_size = "headers", 0, 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + 4)
        if self._stage == "headers":  # behind a body they are trailers, by which nothing is decided
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        full = len(self.tasks) >= self._limits.in_flight and self.parser.get_method() == b"POST"
        self.app = _overloaded if full else self.config.loaded_app
        super().on_headers_complete()
        self._stage = "body"

    def on_message_complete(self) -> None:
        self._stage = None
        self._number += 1
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall = self.loop.call_later(self._limits.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls where the parser has given up; `msg` is its own, ours is fixed."""
        self._say(self._why)

    def _count(self, size: int) -> None:
        self._headers_size += size
        if self._headers_size > self._limits.headers:
            self._why = "headers_too_large"
            raise OverflowError  # ends the parser, which ends in send_400_response

    def _watch(self) -> None:
        """Have a timer for the stage of this request, and none where no stage is open."""
        now = (self._number, self._stage)
        if now == self._timed:
            return
        self._timed = now
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._stage is not None:
            seconds = self._limits.header_seconds if self._stage == "headers" else self._limits.body_seconds
            self._timer = self.loop.call_later(seconds, self._late)

    def _late(self) -> None:
        """Time is up; but where this process itself stood still, what has come meanwhile is read first."""
        self._timer = self.loop.call_later(GRACE, self._say, "timeout")

    def _say(self, code: str) -> None:
        """Refuse and close; without a word where another answer is on its way or due first."""
        if self.transport.is_closing():
            return
        if not self._taken():
            self.transport.write(_whole(code))
        self.transport.close()

    def _taken(self) -> bool:
        """Whether what is written now would be taken for the answer to another request, or for a second one."""
        cycle = self.cycle
        if self._stage == "body":
            return bool(self.pipeline) or cycle.response_started
        return cycle is not None and not cycle.response_complete


def _whole(code: str) -> bytes:
    body = body_of(code)
    again = b"retry-after: 1\r\n" if code == "overloaded" else b""
    head = b"content-type: application/json\r\ncache-control: no-store\r\nconnection: close\r\n"
    length = b"content-length: %d\r\n\r\n" % len(body)
    return STATUS_LINE[WORDS[code][0]] + head + again + length + body


async def _overloaded(scope: Any, receive: Any, send: Any) -> None:
    """An application that has no time; the connection stays open for another try where the body has come already."""
    body = body_of("overloaded")
    headers = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        (b"retry-after", b"1"),
        (b"content-length", b"%d" % len(body)),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})
