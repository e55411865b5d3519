"""Loading again, without a process: what is told while one loads is not forgotten."""

import asyncio
import threading

import pytest

from recprune.serving.app import App
from recprune.serving.limits import Limits
from recprune.serving.metrics import Metrics
from recprune.serving.offer import Offer
from recprune.serving.protocol import Settings
from recprune.serving.server import _Server


@pytest.mark.parametrize("refused", [False, True], ids=["loads", "fails"])
def test_what_is_told_while_one_loads_loads_once_more(tools, refused: bool):
    """The disk holds 1 when the first load reads it; three are told while it is at it, and the disk holds 2 by then."""
    disk, begun, go, read = [1], threading.Event(), threading.Event(), []

    def load() -> Offer:
        read.append(disk[0])
        begun.set()
        assert go.wait(30)
        if refused and len(read) == 1:
            raise ValueError("half written")
        return Offer(about={"of": read[-1]})

    metrics, limits = Metrics(), Limits()
    app = App(Offer(), metrics=metrics, limits=limits)
    server = _Server(Settings(app, limits, metrics), app, load)

    async def told() -> None:
        server._reload()
        await asyncio.to_thread(begun.wait, 30)
        disk[0] = 2
        for _ in range(3):
            server._reload()
        go.set()
        await server._loading

    asyncio.run(told())
    assert read == [1, 2]
    assert tools.Asked(app)("GET", "/about").json() == {"of": 2}
    assert metrics.reloads == {"done": 2 - refused, "refused": int(refused)}
