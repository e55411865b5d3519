"""Who may ask: a token where the server can be reached from elsewhere, and localhost alone where it cannot."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from recprune.errors import DataError
from recprune.serving.refusals import Refusal

__all__ = ["VARIABLE", "Gate", "gate_of", "is_local", "read_token"]

VARIABLE = "RECPRUNE_TOKEN"
SHORTEST = 16
LONGEST = 4096


class Gate:
    """Lets requests through that carry the token or, without one, that were meant for this machine by its own name: a
    page elsewhere that has its name lead here (DNS rebinding) sends another."""

    def __init__(self, token: bytes | None) -> None:
        self._digest = None if token is None else hashlib.sha256(token).digest()

    @property
    def closed(self) -> bool:
        """Whether a token is needed."""
        return self._digest is not None

    def check_host(self, host: bytes | None) -> None:
        """Raises Refusal wrong_host. host: the header of that name."""
        if self._digest is None and host is not None and not _means_this_machine(host):
            raise Refusal("wrong_host")

    def check_token(self, authorization: bytes | None) -> None:
        """Raises Refusal unauthorized; takes as long for every wrong token."""
        if self._digest is None:
            return
        scheme, _, token = (authorization or b"").partition(b" ")
        given = hashlib.sha256(token.strip()).digest()
        if not hmac.compare_digest(given, self._digest) or scheme.lower() != b"bearer":
            raise Refusal("unauthorized")


def gate_of(host: str, token: bytes | None) -> Gate:
    """The gate of a server that listens at `host`. Raises DataError where anybody could reach it without a token."""
    if token is None and not is_local(host):
        raise DataError(
            f"{host} can be reached from other machines: set a token in {VARIABLE} or with --token-file, or listen at "
            "127.0.0.1",
            host=host,
        )
    return Gate(token)


def read_token(path: Path | None, environment: Mapping[str, str] | None = None) -> bytes | None:
    """The token in a file, or in the environment; None where neither says one. Raises DataError for one of fewer than
    16 or more than 4,096 bytes, or one that no header can hold."""
    where = str(path) if path is not None else VARIABLE
    if path is not None:
        try:
            with open(path, "rb") as file:
                token = file.read(LONGEST + 2).strip()
        except OSError as error:
            raise DataError(f"the token cannot be read: {error}", path=where) from error
    else:
        said = (os.environ if environment is None else environment).get(VARIABLE)
        if said is None:
            return None
        token = said.encode("utf-8", "surrogateescape")
    if not SHORTEST <= len(token) <= LONGEST or not all(33 <= byte < 127 for byte in token):
        raise DataError(
            f"the token in {where} has {len(token)} bytes; it needs {SHORTEST} to {LONGEST:,} of letters, digits and "
            "signs, without spaces. One is made by: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
            path=where,
        )
    return token


def is_local(host: str) -> bool:
    """Whether this address, or the name localhost, is this machine and none else."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@lru_cache(64)
def _means_this_machine(host: bytes) -> bool:
    return is_local(_name_of(host))


HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:/@\s]+))(?::\d*)?", re.ASCII)


def _name_of(host: bytes) -> str:
    """The host of "host", "host:port", "[v6]" or "[v6]:port"; empty for what is none of these."""
    found = HOST.fullmatch(host.decode("latin-1").strip())
    return (found["six"] or found["name"]) if found else ""
