"""Sequences in the parts that models learn from and are judged by.

Of users (Beauty, Toys, Last.fm) the last item is test and the one before it validation; nothing comes twice, and what
was had is no candidate. Of sessions (Diginetica, Yoochoose 1/64) the test samples are published: every prefix of a
test session and what was clicked next; items come again, and all are candidates. Models learn from the training
sessions alone; a test prefix is only what is known of its session when it is asked for the next click.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from benchmarks.recipes import folder
from torch import nn

from recprune.data.dataset import Dataset, Split
from recprune.data.encode import encode, joint_vocabularies
from recprune.data.log import clean
from recprune.data.read import read
from recprune.data.split import from_the_end, parted, split_last
from recprune.data.vocabulary import Vocabulary
from recprune.evaluation.evaluate import evaluate
from recprune.evaluation.inputs import Renumber
from recprune.evaluation.scores import Scores

__all__ = ["Parts", "of_sessions", "of_users", "prefixes"]

HELD = 0.1
"""Share of the training sessions, the last ones, that models of sessions are chosen by."""


@dataclass(frozen=True, slots=True)
class Parts:
    """learn: what a model is trained on. asked, part: the part of a split that it is judged by, whose earlier parts are
    what is known before. mask_seen: whether what was had is no candidate."""

    learn: Split
    asked: Split
    part: str
    mask_seen: bool

    def scores(self, model: nn.Module, k: int, renumber: Renumber | None = None) -> Scores:
        """The lists of a model against what came next."""
        return evaluate(model, self.asked, self.part, k=k, mask_seen=self.mask_seen, renumber=renumber)


def of_users(name: str, valid: bool) -> Parts:
    """Lines of a user and its items: the last is test, the one before it validation (Kang & McAuley 2018, section 4.1).

    Models learn from what comes before both, and keep the best epoch by validation.
    """
    log = read(folder(name) / "sequences.txt.gz", "adjacency", ordered=True)
    split = split_last(encode(clean(log)))
    return Parts(split, split, "valid" if valid else "test", mask_seen=True)


def of_sessions(name: str, valid: bool) -> Parts:
    """Lines of the clicks of a session, in the order of time; in the test file the last of each line is to be found.

    To choose by, the last tenth of the training sessions is held out, and every click of each but the first is to be
    found, as in the test file.
    """
    logs = [clean(read(folder(name) / f"{p}.txt.gz", "sessions", name=p[:2])) for p in ("train", "test")]
    vocabularies = joint_vocabularies(*logs)
    train, test = (encode(log, vocabularies) for log in logs)
    if valid:
        first = later(train, HELD)
        train, test = train.take(np.arange(first)), prefixes(train.take(np.arange(first, len(train))))
    users, ones = test["user"], np.ones(test.n_users, dtype=np.int64)
    order, counts = np.lexsort((test["time"], users)), np.bincount(users, minlength=test.n_users)
    ahead = parted(test, *from_the_end(users, order, counts, 0 * ones, ones), repeats=True)
    nothing, train = train.take(np.zeros(0, dtype=np.int64)), replace(train, vocabularies=test.vocabularies)
    return Parts(Split(train, nothing, nothing), Split(train, ahead.train, ahead.test), "test", mask_seen=False)


def later(train: Dataset, share: float) -> int:
    """The row that the last sessions begin with, that share of all."""
    begins = np.flatnonzero(np.diff(train["user"], prepend=-1))
    return int(begins[int((1 - share) * len(begins))])


def prefixes(sessions: Dataset) -> Dataset:
    """The first two clicks of every session, its first three and so on, each as a session of its own behind all."""
    rows = sessions.take(np.lexsort((sessions["time"], sessions["user"])))
    begins = np.flatnonzero(np.diff(rows["user"], prepend=-1))
    sizes = np.diff([*begins, len(rows)])
    first = np.repeat(begins, sizes - 1)
    long = np.concatenate([np.arange(2, size + 1) for size in sizes])
    within = np.arange(long.sum()) - np.repeat(np.cumsum(long) - long, long)
    found = rows.take(np.repeat(first, long) + within)
    users = Vocabulary("user", [*sessions.vocabularies["user"].ids, *(f"prefix {n}" for n in range(len(long)))])
    columns = {**found.columns, "user": np.repeat(np.arange(len(long), dtype=np.int32) + sessions.n_users, long)}
    return replace(found, columns=columns, vocabularies={**found.vocabularies, "user": users})
