"""Refused: a file that is not read, and why; how it is said from the child to the parent."""

from __future__ import annotations

__all__ = ["Refused", "within"]


class Refused(Exception):
    """A file that is not read. The message is shown as it stands."""


def within(total: int, cap: int, what: str) -> None:
    """Raise Refused where so many bytes would be unpacked."""
    if total > cap:
        raise Refused(f"{what} would take {total:,} bytes, and {cap:,} are allowed; --cap allows more")
