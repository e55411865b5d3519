"""The HTTP face of a server of lists or scores: a handful of fixed paths, each with a fixed way to say no."""

from __future__ import annotations

from typing import Any

import msgspec

from recprune.serving.face import JSON, Face, Headers, Receive, Said
from recprune.serving.messages import Listing, Scores, ask_of, rows_of
from recprune.serving.offer import SOME, Offer
from recprune.serving.openapi import document, row_decoder
from recprune.serving.page import FILES
from recprune.serving.refusals import Refusal
from recprune.serving.service import Service

__all__ = ["App"]

LISTS = ("/recommend", "/against")
GETS = frozenset({"/healthz", *FILES, "/metrics", "/about", "/openapi.json"})
ENCODER = msgspec.json.Encoder()


class App(Face):
    """Answers requests from one offer at a time; `take` puts another one in its place. options: those of `Face`."""

    files = FILES

    def __init__(self, offer: Offer, **options: Any) -> None:
        super().__init__(**options)
        self.take(offer)

    def take(self, offer: Offer) -> None:
        """Answer from this offer from now on; requests that have begun are answered from the one before."""
        rows = None if offer.scorer is None else row_decoder(offer.scorer, self.limits)
        posts = {path: True for path, service in zip(LISTS, (offer.lists, offer.against), strict=True) if service}
        if offer.scorer is not None:
            posts["/score"] = True
        self._now = (offer, rows, frozenset(posts), ENCODER.encode(document(offer, self.limits, self.gate.closed)))

    def paths(self, method: str) -> frozenset[str]:
        """What there is to GET, or to POST to."""
        return self._now[2] if method == "POST" else GETS

    async def answer(self, path: str, method: str, said: Said, receive: Receive) -> tuple[int, bytes, Headers]:
        """Status, body and headers. Raises Refusal."""
        self.admit(path, said)
        offer, rows, posts, openapi = self._now
        if path in posts:
            if method != "POST":
                raise Refusal("method_not_allowed")
            body = await self.body(said, receive)
            if path == "/score":
                return 200, await self._score(offer, rows, body), [JSON]
            return 200, await self._list(offer.lists if path == "/recommend" else offer.against, body), [JSON]
        answer = self._get(path, offer, openapi)
        if method not in ("GET", "HEAD"):
            raise Refusal("method_not_allowed")
        return 200, *answer

    def _get(self, path: str, offer: Offer, openapi: bytes) -> tuple[bytes, Headers]:
        plain = self.plain(path)
        if plain is not None:
            return plain
        if path == "/openapi.json":
            return openapi, [JSON]
        if path == "/about":
            return ENCODER.encode(offer.about), [JSON]
        raise Refusal("no_such_path")

    async def _list(self, service: Service | None, body: bytes) -> bytes:
        assert service is not None
        ask = ask_of(body)
        if (ask.user is msgspec.UNSET) == (ask.history is msgspec.UNSET):
            raise Refusal("user_or_history")
        there = len(service.items.ids)
        k = min(SOME, there) if ask.k is msgspec.UNSET else ask.k
        if not 1 <= k <= min(self.limits.k, there):
            raise Refusal("k_out_of_range")
        history = () if ask.history is msgspec.UNSET else ask.history
        if len(history) + len(ask.exclude) > self.limits.ids:
            raise Refusal("too_many_ids")
        if ask.user is msgspec.UNSET:
            given = await self.run(lambda: service.by_history(history, k, ask.exclude))
        else:
            user = ask.user
            given = await self.run(lambda: service.by_user(user, k, ask.exclude))
        self.metrics.fallback += given.fallback
        self.metrics.left += given.left
        return ENCODER.encode(Listing(given.items, given.scores, given.fallback))

    async def _score(self, offer: Offer, decoder: Any, body: bytes) -> bytes:
        scorer = offer.scorer
        assert scorer is not None
        rows = [msgspec.structs.astuple(row) for row in rows_of(body, decoder)]
        several = sum(len(cell) for row in rows for cell in row if isinstance(cell, list))
        if len(rows) > self.limits.ids or several > self.limits.ids:
            raise Refusal("too_many_ids")
        probabilities, unknown = await self.run(lambda: scorer.score(rows))
        self.metrics.unknown += sum(unknown)
        return ENCODER.encode(Scores(probabilities, unknown))
