"""How much one may ask of a server, all of it on from the start."""

from __future__ import annotations

from dataclasses import dataclass, fields

from recprune.errors import DataError

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server takes before it says no.

    body, headers: bytes of a request. ids: in a history, in what is excluded, rows to score. k: longest list.
    header_seconds, body_seconds: from the first byte to the last one. idle_seconds: between two requests of a
    connection. write_seconds: for a client that does not read. connections: open at once. in_flight: requests begun and
    not yet answered; one more is told to come back. drain_seconds: for what is in flight when the server is stopped.
    Raises DataError for a limit that is not above 0.
    """

    body: int = 64 << 10
    headers: int = 16 << 10
    ids: int = 1_000
    k: int = 1_000
    header_seconds: float = 5.0
    body_seconds: float = 5.0
    idle_seconds: float = 15.0
    write_seconds: float = 5.0
    connections: int = 512
    in_flight: int = 64
    drain_seconds: float = 10.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise DataError(
                    f"limit {field.name} is above 0, not {getattr(self, field.name)}: there is no server without it",
                    limit=field.name,
                )
