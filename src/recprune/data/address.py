"""Where a log lives that is no plain file: a URL, in which no password stands."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from recprune.errors import DataError

__all__ = ["Address", "located", "redacted"]

URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
FLATTENED = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(?!/)")
"""What `pathlib` makes of a URL."""
SERVERS = {"postgres": "postgresql", "postgresql": "postgresql"}
DATABASES = {**SERVERS, "sqlite": "sqlite", "duckdb": "duckdb"}
"""Scheme -> the format that reads it."""
SECRET = (
    r"(?:\w*pass(?:word|wd|phrase)\w*|pwd|\w*secret\w*|\w*token|\w*signature|\w*credential\w*|sig|sas"
    r"|(?:account|access|api)_?key)"
)
NAMES_ONE = re.compile(SECRET, re.IGNORECASE)
VALUE = r"""(?:(''?)[^']*\2|"[^"]*"|[^\s&;,'")]+)"""
SAID = (
    (re.compile(rf"(?<![A-Za-z0-9])({SECRET}[\"']?\s*(?:=>|[=:])\s*){VALUE}", re.IGNORECASE), r"\1***"),
    (re.compile(r"(://[^/\s:@]*:)[^\s]*@"), r"\1***@"),
)
WAY_OUT = (
    "a password in a URL ends up in histories and logs: leave it out, and give it by the environment (PGPASSWORD, "
    "PGSERVICE) or ~/.pgpass"
)
KEYS = (
    "a secret in a URL ends up in histories and logs: leave it out, and give it as its storage takes it, by the "
    "environment (AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS, FSSPEC_S3_KEY, ...) or its own configuration"
)


@dataclass(frozen=True, slots=True)
class Address:
    """A URL without a secret. scheme: in small letters, without a driver behind `+`. text: all of it."""

    scheme: str
    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def format(self) -> str | None:
        """The format that reads this database; None for what holds files."""
        return DATABASES.get(self.scheme)


def located(path: str | os.PathLike[str], beside: Path | None = None) -> Path | Address:
    """A path, or the address of a server or an object storage.

    `sqlite:///log.db`, `duckdb:///log.duckdb` (four slashes for one from the root) and `file:///log.csv` are paths;
    beside: the folder that such a path, or a plain one, is relative to. Raises DataError, which repeats nothing of the
    URL but its scheme, where a password or another secret stands in it, and where a URL came as a Path.
    """
    text = os.fspath(path)
    found = URL.match(text)
    if found is None:
        if not isinstance(path, str) and (flat := FLATTENED.match(text)) and not Path(text).exists():
            raise DataError(f"{flat[1]}: a URL is given as text, not as a Path, which makes one slash of two")
        return Path(text) if beside is None else beside / text
    scheme = found[1].lower().partition("+")[0]
    if "::" in text and scheme not in DATABASES:
        raise DataError(
            f"{scheme}://...: a chain of storages (::) is not followed: leave it out, name a file", scheme=scheme
        )
    refuse_secrets(scheme, text[found.end() :])
    scheme = SERVERS.get(scheme, scheme)
    text = f"{scheme}://{text[found.end() :]}"
    if scheme in ("sqlite", "duckdb", "file"):
        there = path_of(scheme, text)
        return there if beside is None else beside / there
    return Address(scheme, text)


def path_of(scheme: str, text: str) -> Path:
    """The path that a URL of a local file stands for."""
    rest = text.removeprefix(f"{scheme}://").partition("?")[0] if scheme != "file" else text.removeprefix("file://")
    host, slash, path = rest.partition("/")
    if host not in ("", "localhost") or not path:
        raise DataError(
            f"{text}: expected {scheme}:///PATH, three slashes before a path (four before one from the root)"
            if scheme != "file"
            else f"{text}: expected file:///PATH",
            path=text,
        )
    return Path(unquote(slash + path if scheme == "file" else path))


def refuse_secrets(scheme: str, rest: str) -> None:
    """Raises DataError where a password stands in what follows `scheme://`."""
    where = rest if scheme in SERVERS else rest.lstrip("/").partition("/")[0]
    before = unquote(where[: where.rfind("@")]) if "@" in where else ""
    try:
        asked = [name for name, _ in parse_qsl(urlsplit(f"x://{rest}").query, keep_blank_values=True)]
    except ValueError:
        raise DataError(f"this {scheme} URL cannot be read: a host or a port in it is none", scheme=scheme) from None
    named = any(NAMES_ONE.fullmatch(name.strip()) and name.lower() != "passfile" for name in asked)
    signed = scheme in ("http", "https") and asked
    if ":" in before or named or signed:
        raise DataError(f"{scheme}://...: {WAY_OUT if scheme in DATABASES else KEYS}", scheme=scheme)


def redacted(text: str) -> str:
    """The text with `***` in the place of what looks like a password, a token or a signature."""
    for looks, instead in SAID:
        text = looks.sub(instead, text)
    return text
