"""Replicas: models that are asked on a cluster, by Ray Serve, behind the server that `recprune serve` always is.

Requests come in here, through the same limits, gate and answers; only what a model computes is computed by a replica.
Ray Serve opens no port of its own: its proxies stay off, and so does the port by which each replica would take pickles
from whoever reaches it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch

from recprune.errors import DataError, ExtensionError
from recprune.scale.engines.ray import Ray
from recprune.serving.offer import Offer
from recprune.serving.refusals import Refusal
from recprune.serving.scorer import Scorer
from recprune.serving.service import Given, Service

__all__ = ["Replicas"]

SHARE = 0.5
"""Cores that a replica asks Ray for: where a model is loaded again, the new ones stand beside the old for a while."""
SECONDS = 60.0
"""For one question, a replica that has to be started again included."""
TRIES = 3
"""Times that a question is asked whose replica dies."""
AFTER = 30.0
"""Seconds after which replicas of an old model go: what has begun is answered by then."""


@dataclass(slots=True)
class Replicas:
    """Used in a `with` block. load: the offer, read whole and checked; called here and by every replica. workers: how
    many replicas. `offer` starts them when it is called first. Raises ExtensionError where Ray Serve is not there."""

    load: Callable[[], Offer]
    workers: int = 1
    _engine: Ray = field(init=False)
    _serve: Any = field(default=None, init=False)
    _made: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._engine = Ray(self.workers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._serve is not None:
            self._serve.shutdown()
            self._engine.__exit__(*error)

    def offer(self) -> Offer:
        """The offer whose models are asked on the cluster, tried out; those of the offer before go a little later."""
        here = self.load()
        self._begin()
        self._made += 1
        name = f"recprune-{os.getpid()}-{self._made}"
        try:
            made = _afar(here, _Asked(self._run(name)))
            for ask in made.questions():
                ask()
        except BaseException:
            self._serve.delete(name, _blocking=False)
            raise
        if self._made > 1:
            self._forget_later(f"recprune-{os.getpid()}-{self._made - 1}")
        return made

    def _begin(self) -> None:
        if self._serve is None:
            self._engine.__enter__()
            self._serve = _imported()
            self._serve.start(proxy_location="Disabled")

    def _run(self, name: str) -> Any:
        how = {"num_replicas": self.workers, "max_ongoing_requests": 1, "ray_actor_options": {"num_cpus": SHARE}}
        made = self._serve.deployment(**how)(_Replica).bind(self.load)
        try:
            return self._serve.run(made, name=name, route_prefix=None)
        except RuntimeError as error:
            raise DataError(f"no replica could be started on the cluster: {error}") from error

    def _forget_later(self, name: str) -> None:
        timer = threading.Timer(AFTER, self._serve.delete, (name,), {"_blocking": False})
        timer.daemon = True
        timer.start()


class _Replica:
    """What runs on a worker: the models of one offer, one question at a time."""

    def __init__(self, load: Callable[[], Offer]) -> None:
        _shut_port()
        torch.set_num_threads(1)
        self._offer = load()

    def ask(self, which: str, how: str, *asked: Any) -> tuple[str, Any]:
        """What one of its models gives, or the code of a refusal."""
        torch.set_num_threads(1)
        try:
            return "given", getattr(getattr(self._offer, which), how)(*asked)
        except Refusal as refusal:
            return "refused", refusal.code


def _shut_port() -> None:
    """Have no port between replicas, which Ray Serve opens on every address once a replica is made: nobody is asked
    who sends what it unpickles. We ask through Ray itself. Raises ExtensionError where Ray Serve has another way."""
    from ray.serve._private import replica

    if not hasattr(replica, "add_port_to_grpc_server"):
        raise ExtensionError("this version of Ray Serve cannot be kept from opening a port in every replica: take 2.60")
    replica.add_port_to_grpc_server = lambda server, address: 0


@dataclass(frozen=True, slots=True)
class _Asked:
    """Asks replicas, from any thread but that of an event loop."""

    handle: Any

    def __call__(self, which: str, how: str, *asked: Any) -> Any:
        for left in reversed(range(TRIES)):
            try:
                kind, said = self.handle.ask.remote(which, how, *asked).result(timeout_s=SECONDS)
                break
            except Exception as error:
                if not left or type(error).__name__ not in ("ActorDiedError", "ActorUnavailableError"):
                    raise
        if kind == "refused":
            raise Refusal(said)
        return said


def _afar(here: Offer, ask: _Asked) -> Offer:
    """The offer with models that are asked elsewhere."""
    lists, against = (
        None if one is None else _Lists(one.recommender, one.items, one.known, one.users, one.shared, which, ask)
        for which, one in (("lists", here.lists), ("against", here.against))
    )
    scorer = here.scorer
    scores = None if scorer is None else _Scores(scorer.model, scorer.vocabularies, scorer.many, scorer.runs, ask)
    return replace(here, lists=lists, against=against, scorer=scores)


@dataclass(frozen=True, slots=True, eq=False)
class _Lists(Service):
    which: str = ""
    ask: Callable[..., Any] = print

    def by_user(self, user: str, k: int, exclude: Sequence[str] = ()) -> Given:
        return Given(*self.ask(self.which, "by_user", user, k, exclude))

    def by_history(self, history: Sequence[str], k: int, exclude: Sequence[str] = ()) -> Given:
        return Given(*self.ask(self.which, "by_history", history, k, exclude))


@dataclass(frozen=True, slots=True, eq=False)
class _Scores(Scorer):
    ask: Callable[..., Any] = print

    def score(self, rows: Sequence[Sequence[Any]]) -> tuple[list[float], list[int]]:
        probabilities, unknown = self.ask("scorer", "score", rows)
        return probabilities, unknown


def _imported() -> Any:
    try:
        from ray import serve
    except ImportError as error:
        raise ExtensionError(
            f"replicas need Ray Serve, which is not installed ({error}): pip install 'recprune[rayserve]'",
            name="rayserve",
        ) from error
    return serve
