"""Everything that a server says no with: fixed words, so that nothing of a request comes back in an answer."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["WORDS", "Refusal", "body_of"]

WORDS: Mapping[str, tuple[int, str]] = {
    "bad_request": (400, "This is no HTTP request."),
    "bad_json": (400, "The body is no JSON."),
    "duplicate_key": (400, "A key stands twice in an object of the body."),
    "unauthorized": (401, "A token is needed: Authorization: Bearer TOKEN."),
    "no_such_path": (404, "There is nothing here; /openapi.json tells what there is."),
    "unknown_user": (404, "No such user."),
    "unknown_item": (404, "The history holds an item that there is not."),
    "method_not_allowed": (405, "Not by this method."),
    "timeout": (408, "The request did not arrive in time."),
    "too_large": (413, "The body is too large."),
    "not_json": (415, "The body has to be sent as application/json."),
    "wrong_host": (421, "This server answers to localhost alone."),
    "invalid": (422, "The body is not as /openapi.json describes it."),
    "user_or_history": (422, "Give a user or a history, one of them."),
    "too_many_ids": (422, "More ids than are allowed."),
    "k_out_of_range": (422, "k is out of range."),
    "number_out_of_range": (422, "A number is out of range."),
    "no_history": (422, "Nothing is known of what was asked for, and this server has no data to fall back on."),
    "headers_too_large": (431, "The headers are too large."),
    "internal": (500, "Something went wrong here."),
    "overloaded": (503, "Too much to do; try again."),
}
"""Code -> status and the words beside it."""

BODIES = {code: f'{{"error":"{code}","message":"{words}"}}'.encode() for code, (_, words) in WORDS.items()}


class Refusal(Exception):
    """A request that is not met; `code` is one of WORDS."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
        self.status, self.body = WORDS[code][0], BODIES[code]


def body_of(code: str) -> bytes:
    """The JSON that goes out."""
    return BODIES[code]
