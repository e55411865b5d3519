"""What one user gets from the model and from the smaller one, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import expit

from recprune.data.dataset import Split
from recprune.evaluation.evaluate import row_scores
from recprune.evaluation.inputs import ranks
from recprune.recipe.pruned import Pruned
from recprune.recipe.served import service_of
from recprune.recipe.shelf import Shelved
from recprune.serving.refusals import Refusal
from recprune.serving.service import Service
from recprune.studio.refusals import Refused

__all__ = ["Beside", "some_users"]

ROWS = 20
"""Rows of a user that are shown."""


class Beside:
    """The model and a smaller one, asked the same. split: the data in its own codes, of which the test part is not
    looked at."""

    def __init__(self, whole: Shelved, small: Pruned, split: Split) -> None:
        self._split, self._users = split, split.vocabularies.get("user")
        self._small = replace(whole, model=small.model, vocabularies=small.vocabularies, plan=small.plan)
        self._both = {"before": whole, "after": self._small}
        self._lists: Mapping[str, Service] = {}
        if ranks(whole.model):
            self._lists = {name: service_of(one, split, "train") for name, one in self._both.items()}

    def of(self, user: str, k: int) -> dict[str, Any]:
        """Two lists of k items without what the user had in train; or the user's rows of validation with both scores.

        Raises Refusal: unknown_user, no_users.
        """
        if self._users is None or "user" not in self._split.valid.columns:
            raise Refused("no_users")
        code = int(self._users.encode((user,))[0])
        if not code:
            raise Refusal("unknown_user")
        rows = np.flatnonzero(self._split.valid["user"] == code)
        return self._listed(user, rows, k) if self._lists else self._scored(rows)

    def _listed(self, user: str, rows: np.ndarray[Any, Any], k: int) -> dict[str, Any]:
        given = {}
        for name, service in self._lists.items():
            one = service.by_user(user, min(k, len(service.items.ids)))
            given[name] = {"items": one.items, "scores": one.scores, "fallback": one.fallback}
        had = self._split.vocabularies["item"].decode(self._split.valid["item"][rows].tolist())
        return {"lists": given, "had": sorted({str(item) for item in had})}

    def _scored(self, rows: np.ndarray[Any, Any]) -> dict[str, Any]:
        part = self._split.valid.take(rows[:ROWS])
        target = next((name for name in ("label", "rating") if name in part.columns), "")
        scores = {
            name: row_scores(one.model, part, renumber=one.codes(self._split)) if len(part) else np.zeros(0)
            for name, one in self._both.items()
        }
        said = {name: (expit(found) if target == "label" else found).tolist() for name, found in scores.items()}
        items = self._split.vocabularies["item"].decode(part["item"].tolist()) if "item" in part.columns else []
        truth = part[target].tolist() if target else []
        return {"rows": {**said, "items": [str(i) for i in items], "truth": truth, "target": target}}


def some_users(split: Split, most: int = 12) -> list[str]:
    """Some users that have something in validation, evenly over all of them."""
    if "user" not in split.valid.columns or "user" not in split.vocabularies:
        return []
    codes = np.unique(split.valid["user"])
    codes = codes[codes > 0]
    chosen = codes[np.unique(np.linspace(0, len(codes) - 1, min(most, len(codes))).astype(int))] if len(codes) else []
    return [str(split.vocabularies["user"].ids[code - 1]) for code in chosen]
