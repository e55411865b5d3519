"""One thing at a time that takes long: it says how far it is, and it can be stopped."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from recprune.errors import RecpruneError
from recprune.recipe.stages import Say
from recprune.studio.refusals import Refused

__all__ = ["Job", "Line"]

LOG = logging.getLogger("recprune.serving")


class StoppedError(BaseException):
    """The job was told to stop. No Exception: whoever tries whether a model runs takes those for an answer."""


class Job:
    """Something that is at work, or was. kind: what. of: stages that it is likely to have."""

    def __init__(self, number: int, kind: str, of: int) -> None:
        self.number, self.kind, self._of = number, kind, of
        self.state, self.error, self.result = "running", "", None
        self._done, self._stage, self._words = 0, "", ""
        self._begin, self._took = time.monotonic(), 0.0
        self._stop = threading.Event()

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[Say]:
        """A `Stage`: what the recipe calls around what it does."""

        def say(words: str) -> None:
            self.check()
            self._words = words

        self.check()
        self._stage, self._words = name, ""
        yield say
        self._done += 1

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Inside, every forward pass of this thread ends where the job was told to stop."""
        mine = threading.get_ident()

        def look(module: nn.Module, inputs: Any) -> None:
            if threading.get_ident() == mine:
                self.check()

        hook = register_module_forward_pre_hook(look)
        try:
            yield
        finally:
            hook.remove()

    def check(self) -> None:
        """Raises StoppedError where it was told to stop."""
        if self._stop.is_set():
            raise StoppedError

    def stop(self) -> None:
        """Tell it to stop; it does so at its next batch, or its next stage."""
        self._stop.set()

    def run(self, work: Callable[[Job], Any]) -> None:
        """Do it, and remember how it ended: done, stopped or failed."""
        try:
            self.result = work(self)
            ended = "done"
        except StoppedError:
            ended = "stopped"
        except Exception as error:
            ended = "stopped" if self._stop.is_set() else "failed"
            if ended == "failed":
                self.error = self._failure(error)
        self._took = time.monotonic() - self._begin
        self.state = ended

    def _failure(self, error: Exception) -> str:
        if isinstance(error, RecpruneError):
            return str(error)
        LOG.error("%s failed", self.kind, exc_info=error)
        return f"Something went wrong ({type(error).__name__}); the terminal says where."

    def told(self) -> dict[str, Any]:
        """As plain data."""
        running = self.state == "running"
        stopping = running and self._stop.is_set()
        return {
            "number": self.number,
            "kind": self.kind,
            "state": "stopping" if stopping else self.state,
            "stage": self._stage,
            "words": self._words,
            "done": self._done,
            "of": max(self._of, self._done + 1) if running else max(self._done, 1),
            "seconds": round(self._took or time.monotonic() - self._begin, 1),
            "error": self.error,
            "result": self.result,
        }


class Line:
    """A line in which one job stands."""

    def __init__(self) -> None:
        self.last: Job | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def start(self, kind: str, of: int, work: Callable[[Job], Any]) -> Job:
        """Begin a job in a thread of its own. Raises Refused busy where another runs."""
        with self._lock:
            if self.last is not None and self.last.state == "running":
                raise Refused("busy")
            job = Job(self.last.number + 1 if self.last else 1, kind, of)
            self.last = job
            self._thread = threading.Thread(target=job.run, args=(work,), daemon=True)
            self._thread.start()
        return job

    def stop(self) -> Job:
        """Tell the job to stop. Raises Refused idle where none runs."""
        if self.last is None or self.last.state != "running":
            raise Refused("idle")
        self.last.stop()
        return self.last

    def wait(self, seconds: float | None = None) -> None:
        """Until nothing runs, or so long."""
        if self._thread is not None:
            self._thread.join(seconds)
