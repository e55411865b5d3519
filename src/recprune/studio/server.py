"""The studio as a process: it listens, it is told to stop, it ends with 0."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from recprune.serving.gate import gate_of
from recprune.serving.limits import Limits
from recprune.serving.metrics import Metrics
from recprune.serving.process import Process, bound
from recprune.serving.protocol import Settings
from recprune.serving.refusals import Refusal
from recprune.studio.app import App
from recprune.studio.desk import Desk

__all__ = ["serve"]


def serve(
    load: Callable[[], Desk],
    *,
    host: str = "127.0.0.1",
    port: int = 8643,
    token: bytes | None = None,
    limits: Limits | None = None,
) -> int:
    """Serve the page of a desk until SIGTERM or SIGINT, and return how many requests were answered.

    What runs then is told to stop, and waited for. port: 0 takes a free one; the log says which. Raises DataError where
    the address is not local and there is no token, or is taken; and what `load` raises.
    """
    limits, gate, metrics = limits or Limits(), gate_of(host, token), Metrics()
    listener = bound(host, port)
    desk = load()
    with ThreadPoolExecutor(1) as workers:
        app = App(desk, limits=limits, gate=gate, metrics=metrics, workers=workers)
        server = Process(Settings(app, limits, metrics))
        app.crowd = lambda: (len(server.server_state.tasks), len(server.server_state.connections))
        server.run([listener])
    with contextlib.suppress(Refusal):
        desk.line.stop()
    desk.line.wait(limits.drain_seconds)
    return sum(metrics.requests.values())
