"""On Ray: tasks on this machine, or on the cluster that RAY_ADDRESS names.

Here a Ray of our own listens on the loopback address alone, takes only those who know a token that is drawn for it, has
neither dashboard nor jobs API, and ends with its `with` block. A cluster is taken as it is: who runs it decides who may
reach it (docs/scale.md says how to switch tokens on). A task whose worker dies is run again; one that raises is not.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

from recprune.errors import DataError, ExtensionError

__all__ = ["Ray"]

AHEAD = 2
"""Tasks that are handed out for every worker: one that runs, and one that waits."""
STORE = 200 << 20
"""Bytes of Ray's object store here: parts go through files, so that little is in it."""
SILENT = 5.0
"""Seconds that the head of a cluster may answer nobody. After 60 Ray itself would end this process without a word."""


@dataclass(slots=True)
class Ray:
    """workers: how many tasks run at a time, of one core each. retries: how often a task is run again whose worker was
    lost. Raises ExtensionError where Ray is not installed, DataError for fewer workers than one."""

    workers: int = 1
    retries: int = 100
    _ray: Any = field(default=None, init=False)
    _ours: bool = field(default=False, init=False)
    _aside: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, init=False)

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise DataError(f"workers is 1 or more, not {self.workers}", workers=self.workers)

    def __enter__(self) -> Self:
        self._ray = imported()
        if not self._ray.is_initialized():
            self._begin()
        return self

    def __exit__(self, *error: object) -> None:
        if self._ours:
            self._ray.shutdown()
            self._ours = False
            self._aside.close()

    def map(self, function: Callable[[int], Any], numbers: Iterable[int]) -> Iterator[Any]:
        """What the function makes of every number, in their order. Raises DataError where the cluster is lost."""
        task = self._ray.remote(num_cpus=1, max_retries=self.retries, scheduling_strategy="SPREAD")(_called)
        sent, waiting = self._ray.put(at_home(function)), deque[Any]()
        for number in numbers:
            waiting.append(task.remote(sent, number))
            if len(waiting) >= self.workers * AHEAD:
                yield self._got(waiting.popleft())
        while waiting:
            yield self._got(waiting.popleft())

    def trials(self, function: Callable[[int], Any], numbers: Iterable[int]) -> Iterator[Any]:
        """The same of long parts, each a trial of Ray Tune of its own: what it makes is plain data. Raises
        ExtensionError where Ray Tune is not installed, DataError where the cluster is lost."""
        from recprune.scale.engines._tune import grid

        return grid(at_home(function), list(numbers), workers=self.workers, retries=self.retries, alive=self._alive)

    def _begin(self) -> None:
        """Start a Ray of our own, or join the cluster that is named. Raises DataError where that cannot be."""
        quiet = {"log_to_driver": False, "configure_logging": False}
        own = {"address": "local", "num_cpus": self.workers, "object_store_memory": STORE, "include_dashboard": False}
        cluster = os.environ.get("RAY_ADDRESS")
        if cluster and re.fullmatch(r"[^/]+:\d+", cluster):
            answers(cluster)  # Ray itself would wait for minutes
        self._aside.enter_context(contextlib.redirect_stdout(sys.stderr))  # where Ray tells of workers that died
        more = {} if cluster else {**own, "_node_ip_address": "127.0.0.1"}
        for last in (bool(cluster), True):  # one of our own is given up by Ray after 30 seconds on a busy machine
            try:
                self._ray.init(**more, **quiet)
                break
            except Exception as error:
                self._ray.shutdown()
                if last:
                    self._aside.close()
                    where = f"the cluster {cluster} cannot be joined" if cluster else "Ray cannot be started here"
                    raise DataError(f"{where}: {error}") from error
        self._ours = True

    def _alive(self) -> None:
        """Raise DataError where the head of the cluster answers nobody."""
        answers(self._ray.get_runtime_context().gcs_address)

    def _got(self, task: Any) -> Any:
        try:
            while not self._ray.wait([task], timeout=1.0)[0]:
                self._alive()
            return self._ray.get(task)
        except self._ray.exceptions.RayTaskError as error:
            cause: BaseException = error.cause
            if isinstance(cause, self._ray.exceptions.RayError):
                words = str(cause).strip().splitlines()[-1]
                raise DataError(f"a worker cannot read its task ({words}): is the same installed there?") from error
            raise cause from None
        except self._ray.exceptions.RayError as error:
            raise DataError(
                f"the cluster lost a task and could not run it again ({type(error).__name__}: {error}); what prepare, "
                "compact and sweep have done is kept: run the same command again and it goes on from there"
            ) from error


def _called(function: Callable[[int], Any], number: int) -> Any:
    """What runs on a worker."""
    return function(number)


def at_home(function: Callable[[int], Any]) -> Callable[[int], Any]:
    """The function as it runs in the folder that is the current one here, where a worker sees it: a worker of a cluster
    begins in the folder that its node was started in, and paths may be relative."""
    return partial(_in_folder, os.getcwd(), function)


def _in_folder(folder: str, function: Callable[[int], Any], number: int) -> Any:
    with contextlib.suppress(OSError):
        os.chdir(folder)
    return function(number)


def answers(address: str) -> None:
    """Raise DataError where nobody answers at HOST:PORT, the head of a cluster, for some seconds."""
    host, _, port = address.rpartition(":")
    until = time.monotonic() + SILENT
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=SILENT).close()
            return
        except OSError as error:
            if time.monotonic() > until:
                raise DataError(
                    f"the head of the cluster, {address}, does not answer ({error}); what prepare, compact and "
                    "sweep have done is kept: start a cluster, run the same command again, and it goes on from there"
                ) from error
            time.sleep(0.5)


def imported() -> Any:
    """The module ray, which says nothing of how it is used to anybody. It reads these variables when it is imported."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if not os.environ.get("RAY_ADDRESS") and "ray" not in sys.modules:
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # its way to say: loopback only
        if "RAY_AUTH_MODE" not in os.environ:
            os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    try:
        import ray
    except ImportError as error:
        raise ExtensionError(
            f"the engine ray needs Ray, which is not installed ({error}): pip install 'recprune[ray]'", name="ray"
        ) from error
    return ray
