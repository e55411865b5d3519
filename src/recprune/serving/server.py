"""A server process: it listens, it is told to stop or to load again, it ends with 0."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import torch

from recprune.dispatch import which
from recprune.serving.app import App
from recprune.serving.gate import gate_of
from recprune.serving.limits import Limits
from recprune.serving.metrics import Metrics
from recprune.serving.offer import Offer
from recprune.serving.process import Process, bound
from recprune.serving.protocol import Settings

__all__ = ["serve"]

LOG = logging.getLogger("recprune.serving")
QUICK = 0.002
"""Seconds of a request below which it runs in the event loop: a thread would cost more than it gives."""


def serve(
    load: Callable[[], Offer],
    *,
    host: str = "127.0.0.1",
    port: int = 8642,
    token: bytes | None = None,
    limits: Limits | None = None,
    threads: int | None = None,
) -> int:
    """Serve what `load` gives until SIGTERM or SIGINT, and return how many requests were answered.

    SIGHUP loads again: the new offer is tried out and takes the place of the old one, which stays where anything is
    wrong with the new; while it loads, further ones make it load once more after that. A stop waits for what is in
    flight. port: 0 takes a free one; the log says which. threads: that run models, each request on one; None decides by
    the time that a request takes, 0 is the event loop itself. Raises DataError where the address is not local and there
    is no token, or is taken; and what `load` raises.
    """
    limits, gate, metrics = limits or Limits(), gate_of(host, token), Metrics()
    listener = bound(host, port)
    torch.set_num_threads(1)
    offer = load()
    seconds = _time_of(offer)
    count = threads if threads is not None else int(seconds > QUICK)
    workers = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) if count else None
    app = App(offer, limits=limits, gate=gate, metrics=metrics, workers=workers)
    server = _Server(Settings(app, limits, metrics), app, load)
    app.crowd = lambda: (len(server.server_state.tasks), len(server.server_state.connections))
    how = f"in {count} threads" if count else "in the event loop"
    LOG.info("one request takes %.2f ms; models run %s; kernels: %s", 1000 * seconds, how, which())
    try:
        server.run([listener])
    finally:
        if workers is not None:
            workers.shutdown(wait=False, cancel_futures=True)
    return sum(metrics.requests.values())


class _Server(Process):
    """A process that loads again when it is told to."""

    def __init__(self, config: Settings, app: App, load: Callable[[], Offer]) -> None:
        super().__init__(config)
        self._app, self._load, self._metrics = app, load, config.metrics
        self._loading: asyncio.Task[None] | None = None
        self._asked = False

    def signals(self) -> Mapping[int, Callable[[], None]]:
        """Signal -> what it does."""
        does = dict(super().signals())
        if hasattr(signal, "SIGHUP"):
            does[signal.SIGHUP] = self._reload
        return does

    def _reload(self) -> None:
        self._asked = True
        if self._loading is None or self._loading.done():
            self._loading = asyncio.get_running_loop().create_task(self._take_all())

    async def _take_all(self) -> None:
        while self._asked:  # what is told while one loads may be of what stands on the disk since
            self._asked = False
            await self._take()

    async def _take(self) -> None:
        LOG.info("loading again")
        try:
            offer = await asyncio.get_running_loop().run_in_executor(None, self._tried)
        except Exception as error:
            self._metrics.reloads["refused"] += 1
            LOG.error("the old model stays: %s: %s", type(error).__name__, error)
        else:
            self._app.take(offer)
            self._metrics.reloads["done"] += 1
            LOG.info("the new model serves")

    def _tried(self) -> Offer:
        torch.set_num_threads(1)
        offer = self._load()
        for ask in offer.questions():
            ask()
        return offer


def _time_of(offer: Offer) -> float:
    """Seconds that a request takes of the slowest model, the median of some."""
    slowest = 0.0
    for ask in offer.questions():
        took = []
        for _ in range(7):
            begin = time.perf_counter()
            ask()
            took.append(time.perf_counter() - begin)
        slowest = max(slowest, median(took))
    return slowest
