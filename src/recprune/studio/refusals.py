"""What the studio says no with, beside what every server of ours does."""

from __future__ import annotations

import json
from collections.abc import Mapping

from recprune.errors import RecpruneError
from recprune.serving.refusals import Refusal

__all__ = ["WORDS", "Refused"]

WORDS: Mapping[str, tuple[int, str]] = {
    "no_such_path": (404, "There is nothing here."),
    "invalid": (422, "The body is not what the studio's page sends."),
    "wrong_origin": (403, "This may only be asked by the studio's own page."),
    "old_page": (403, "This page is of an earlier start of the studio: load it again."),
    "busy": (409, "Something else is at work: wait until it is done, or cancel it."),
    "idle": (409, "Nothing is at work."),
    "not_scored": (409, "This rule was not asked yet."),
    "not_sought": (409, "This budget has to be measured: have its plan found first."),
    "not_needed": (422, "The plan of this budget needs no search."),
    "not_measured": (409, "There is no smaller model yet: measure the plan first."),
    "taken": (409, "Something of that name is there already: take another name. Nothing is replaced from here."),
    "bad_name": (422, "A name is 1 to 64 letters, digits, dots, - and _, and begins with a letter or a digit."),
    "no_rule": (422, "No such rule."),
    "no_kind": (422, "No such kind of unit in this model."),
    "no_metric": (422, "This model is not judged by a metric of that name."),
    "one_amount": (422, "Say a pruning factor, bytes, milliseconds or what may be lost: one of them."),
    "no_users": (422, "The rows of this data name no user."),
    "refused": (422, ""),
}
"""Code -> status and the words beside it; the words of `refused` are those of an error."""


class Refused(Refusal):
    """A request that is not met; `code` is one of WORDS."""

    def __init__(self, code: str, words: str = "") -> None:
        Exception.__init__(self, code)
        self.code = code
        self.status, usual = WORDS[code]
        self.body = json.dumps({"error": code, "message": words or usual}, ensure_ascii=True).encode()

    @classmethod
    def of(cls, error: RecpruneError) -> Refused:
        """A budget, a rule or data that does not go, in the error's own words."""
        return cls("refused", str(error))
