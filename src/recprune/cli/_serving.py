"""What the commands that listen have in common: their limits, where they listen, and what has to be installed."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from recprune.errors import ExtensionError
from recprune.serving.limits import Limits

__all__ = ["Caps", "Host", "TokenFile", "log_to_stderr", "needed"]

Host = Annotated[str, typer.Option("--host", help="Address to listen at; any but this machine's own needs a token.")]
TokenFile = Annotated[Path | None, typer.Option("--token-file", help="File with the token. Default: RECPRUNE_TOKEN.")]

USUAL = Limits()


@dataclass(frozen=True, slots=True)
class Caps:
    """The limits of a server, each with its flag."""

    HEADING: ClassVar[str] = "Limits of the server"

    max_body: Annotated[int, typer.Option("--max-body", min=1, help="Bytes of a body.")] = USUAL.body
    max_headers: Annotated[int, typer.Option("--max-headers", min=1, help="Bytes of the headers.")] = USUAL.headers
    max_ids: Annotated[int, typer.Option("--max-ids", min=1, help="Ids, or rows, of a request.")] = USUAL.ids
    max_k: Annotated[int, typer.Option("--max-k", min=1, help="Longest list.")] = USUAL.k
    header_seconds: Annotated[float, typer.Option("--header-seconds", help="For the headers to arrive.")] = (
        USUAL.header_seconds
    )
    body_seconds: Annotated[float, typer.Option("--body-seconds", help="For a body to arrive.")] = USUAL.body_seconds
    idle_seconds: Annotated[float, typer.Option("--idle-seconds", help="Between two requests of a connection.")] = (
        USUAL.idle_seconds
    )
    write_seconds: Annotated[float, typer.Option("--write-seconds", help="For an answer that nobody reads.")] = (
        USUAL.write_seconds
    )
    max_connections: Annotated[int, typer.Option("--max-connections", min=1, help="Connections at once.")] = (
        USUAL.connections
    )
    max_in_flight: Annotated[
        int, typer.Option("--max-in-flight", min=1, help="Requests begun and not answered; one more gets 503.")
    ] = USUAL.in_flight
    drain_seconds: Annotated[
        float, typer.Option("--drain-seconds", help="For what is in flight when the server is stopped.")
    ] = USUAL.drain_seconds

    def limits(self) -> Limits:
        """The same as values. Raises DataError for one that is not above 0."""
        return Limits(**{f.name: getattr(self, self._flag(f.name)) for f in fields(Limits)})

    def _flag(self, name: str) -> str:
        return name if name.endswith("_seconds") else f"max_{name}"


@contextlib.contextmanager
def needed() -> Iterator[None]:
    """Around the import of a server. Raises ExtensionError where what it needs is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in ("msgspec", "uvicorn", "httptools"):
            raise
        raise ExtensionError(
            f"serving needs {error.name}, which is not installed: pip install 'recprune[serve]'", name=error.name
        ) from error


def log_to_stderr() -> None:
    """Lines of the server for people; they hold nothing of a request."""
    log = logging.getLogger("recprune.serving")
    if not log.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL + 1)
