"""A process that listens until it is told to stop, and then ends with 0."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping

import uvicorn

from recprune.errors import DataError

__all__ = ["Process", "bound"]

LOG = logging.getLogger("recprune.serving")


class Process(uvicorn.Server):
    """uvicorn's server with our signals: one that was told to stop and did so ends with 0."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            LOG.info("serving http://%s:%d/", f"[{host}]" if ":" in host else host, port)

    def signals(self) -> Mapping[int, Callable[[], None]]:
        """Signal -> what it does."""

        def ends(number: int) -> Callable[[], None]:
            return lambda: self.handle_exit(number, None)

        return {number: ends(number) for number in (signal.SIGINT, signal.SIGTERM)}

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop, does = asyncio.get_running_loop(), self.signals()
        for number, what in does.items():
            loop.add_signal_handler(number, what)
        try:
            yield
        finally:
            for number in does:
                loop.remove_signal_handler(number)


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one. Raises DataError where the address is taken or not of this
    machine."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        if os.name == "posix" and sys.platform != "cygwin":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        raise DataError(f"{host}:{port} cannot be listened at: {error}; take another --port", port=port) from error
    return listener
