"""The studio's HTTP face: it reads and writes files for whoever sits at this machine, and for no page but its own."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

import recprune
from recprune.errors import RecpruneError
from recprune.serving.face import JSON, Face, Headers, Receive, Said
from recprune.serving.messages import read, refuse_twice
from recprune.serving.refusals import Refusal
from recprune.studio.desk import Desk
from recprune.studio.messages import Apply, Lists, Nothing, Wish
from recprune.studio.page import FILES
from recprune.studio.refusals import Refused

__all__ = ["App"]

GETS = frozenset({"/healthz", *FILES, "/about", "/job", "/metrics"})
ASKED: Mapping[str, Any] = {
    "/plan": msgspec.json.Decoder(Wish),
    "/score": msgspec.json.Decoder(Wish),
    "/find": msgspec.json.Decoder(Wish),
    "/measure": msgspec.json.Decoder(Wish),
    "/apply": msgspec.json.Decoder(Apply),
    "/lists": msgspec.json.Decoder(Lists),
    "/cancel": msgspec.json.Decoder(Nothing),
}
"""Path to POST to -> what reads its body."""
ENCODER = msgspec.json.Encoder()


class App(Face):
    """Answers the page from a desk. options: those of `Face`.

    What changes something, or takes time, is a POST: it has to come from this very address (`Origin`), and to bring the
    word that the page was given when it asked `/about`, which is another one at every start.
    """

    files = FILES

    def __init__(self, desk: Desk, **options: Any) -> None:
        super().__init__(**options)
        self.desk, self.word = desk, secrets.token_urlsafe(32)
        self._does: Mapping[str, Callable[[Any], tuple[int, Any]]] = {
            "/plan": lambda wish: (200, desk.plan(wish)),
            "/score": lambda wish: (202, desk.ask(wish).told()),
            "/find": lambda wish: (202, desk.seek(wish).told()),
            "/measure": lambda wish: (202, desk.measure(wish).told()),
            "/apply": lambda wish: (202, desk.apply(wish).told()),
            "/lists": lambda asked: (200, desk.lists(asked.user)),
            "/cancel": lambda _: (202, desk.line.stop().told()),
        }

    def paths(self, method: str) -> frozenset[str]:
        """What there is to GET, or to POST to."""
        return frozenset(ASKED) if method == "POST" else GETS

    async def answer(self, path: str, method: str, said: Said, receive: Receive) -> tuple[int, bytes, Headers]:
        """Status, body and headers. Raises Refusal."""
        self.admit(path, said)
        if path not in ASKED and path not in GETS:
            raise Refused("no_such_path")
        if method not in (("POST",) if path in ASKED else ("GET", "HEAD")):
            raise Refusal("method_not_allowed")
        if path in GETS:
            return 200, *await self._get(path)
        _check_origin(said)
        self._check_word(said.get(b"x-recprune-page", b""))
        asked = _read(await self.body(said, receive), path)
        status, content = await self._do(path, asked)
        return status, ENCODER.encode(content), [JSON]

    async def _do(self, path: str, asked: Any) -> tuple[int, Any]:
        """A stop goes past everything else; the rest is done one after the other."""
        try:
            if path == "/cancel":
                return self._does[path](asked)
            done: tuple[int, Any] = await self.run(lambda: self._does[path](asked))
        except RecpruneError as error:
            raise Refused.of(error) from error
        return done

    async def _get(self, path: str) -> tuple[bytes, Headers]:
        plain = self.plain(path)
        if plain is not None:
            return plain
        if path == "/job":
            job = self.desk.line.last
            return ENCODER.encode(None if job is None else job.told()), [JSON]
        about = await self.run(self.desk.about)
        return ENCODER.encode({**about, "word": self.word, "version": recprune.__version__}), [JSON]

    def _check_word(self, word: bytes) -> None:
        if not hmac.compare_digest(word, self.word.encode()):
            raise Refused("old_page")


def _read(body: bytes, path: str) -> Any:
    """What was asked of a path. Raises Refusal."""
    try:
        asked = read(body, ASKED[path])
    except Refusal as refusal:
        raise (Refused("invalid") if refusal.code == "invalid" else refusal) from None
    refuse_twice(body)
    return asked


def _check_origin(said: Said) -> None:
    """Raise Refused where another page asks, or no page at all: browsers say the origin of every POST."""
    host, origin = said.get(b"host", b"").lower(), said.get(b"origin", b"").lower()
    if not host or origin not in (b"http://" + host, b"https://" + host):
        raise Refused("wrong_origin")
