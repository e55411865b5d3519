"""A disk that fails: stands in the place of `os` in a module, and its k-th call goes wrong in a chosen way."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

__all__ = ["FAULTS", "Faults"]

FAULTS = ("ENOSPC", "EIO", "EINTR", "short", "no memory", "kill")
"""No space, a broken disk, an interrupted call, one that does half of its work, no memory, the end of the process."""

CALLS = ("open", "read", "write", "fsync", "rename", "replace", "mkdir")
HALF = ("read", "write")
"""Calls that may do half of their work, or be interrupted before they did any."""


class Ended(BaseException):
    """The process ends here: nothing after it may tidy up."""


class Faults:
    """Every call goes to the real `os`; the `at`-th of those in CALLS (from 1) fails.

    fault: one of FAULTS, or "none". After "kill" no call does anything any more, and `Ended` is raised by each. calls:
    the names of those that were made; met: whether the fault came.
    """

    def __init__(self, fault: str, at: int) -> None:
        self.fault, self.at, self.calls, self.met = fault, at, list[str](), False
        self._counted = HALF if fault in ("EINTR", "short") else CALLS

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in CALLS:
            return real

        def call(*args: Any, **named: Any) -> Any:
            self.calls.append(name)
            if name in self._counted and self._now():
                return self._fail(name, real, *args)
            return real(*args, **named)

        return call

    def during(self, work: Callable[[], object]) -> bool:
        """Whether the work was broken off by the fault. Raises AssertionError where another error came of it."""
        try:
            work()
        except (Exception, Ended) as error:
            if not (self.met and self._mine(error)):
                raise AssertionError(f"{type(error).__name__}: {error} came of {self.fault}") from error
            return True
        return False

    def _now(self) -> bool:
        number = sum(name in self._counted for name in self.calls)
        now = number == self.at or (self.fault == "kill" and number > self.at > 0)
        self.met = self.met or now
        return now

    def _fail(self, name: str, real: Any, *args: Any) -> Any:
        if self.fault == "kill":
            raise Ended
        if self.fault == "no memory":
            raise MemoryError
        if self.fault == "EINTR":
            raise InterruptedError(errno.EINTR, "Interrupted system call")
        if self.fault == "short":
            handle, what = args
            return real(handle, what[: max(1, len(what) // 2)] if name == "write" else max(1, what // 2))
        code = getattr(errno, self.fault)
        raise OSError(code, os.strerror(code))

    def _mine(self, error: BaseException) -> bool:
        chain: list[BaseException] = [error]
        while (before := chain[-1].__cause__ or chain[-1].__context__) is not None:
            chain.append(before)
        kinds = {"kill": Ended, "no memory": MemoryError}.get(self.fault, OSError)
        return any(isinstance(one, kinds) for one in chain)
