"""recprune serve: a model behind HTTP, with its limits."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recprune.cli._guard import Answer
from recprune.cli._options import Common, Data, Model, Own
from recprune.cli._serving import Caps, Host, TokenFile, log_to_stderr, needed
from recprune.errors import DataError

if TYPE_CHECKING:
    from recprune.serving.offer import Offer

__all__ = ["serve"]
PLACE = 13


def serve(
    model: Model,
    common: Common,
    caps: Caps,
    data: Data = None,
    own: Own = None,
    against: Annotated[
        Path | None, typer.Option("--against", help="Folder of a second model: the page at / shows both lists.")
    ] = None,
    known: Annotated[
        str, typer.Option("--known", help="What users are known to have had: all, valid (not test), or train alone.")
    ] = "all",
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 8642,
    token_file: TokenFile = None,
    threads: Annotated[
        int | None,
        typer.Option("--threads", min=0, help="Threads that run models. Default: by the time that a request takes."),
    ] = None,
    engine: Annotated[
        str, typer.Option("--engine", help="Where models run: local (this process), or ray (replicas, by Ray Serve).")
    ] = "local",
    workers: Annotated[int, typer.Option("--workers", min=1, help="Replicas, with the engine ray.")] = 1,
) -> Answer:
    """Serve lists (/recommend), or probabilities of a click model (/score), until SIGTERM; SIGHUP loads again."""
    from recprune.recipe.served import offer_of
    from recprune.serving.gate import read_token

    with needed():
        from recprune.serving.server import serve as run

    log_to_stderr()

    where = (model.resolve(), data and data.resolve(), against and against.resolve())
    load = partial(offer_of, *where, known, own)
    with _placed(load, engine, workers, threads) as (offered, beside):
        answered = run(
            offered, host=host, port=port, token=read_token(token_file), limits=caps.limits(), threads=beside
        )
    return Answer({"seed": common.seed, "requests": answered}, (f"{answered:,} requests were answered",))


@contextlib.contextmanager
def _placed(
    load: Callable[[], Offer], engine: str, workers: int, threads: int | None
) -> Iterator[tuple[Callable[[], Offer], int | None]]:
    """What loads the offer where it is to run, and the threads that ask it. Raises DataError for another engine."""
    if engine not in ("local", "ray") or (engine == "local" and workers != 1):
        raise DataError(f"--engine is local, of one worker, or ray; not {engine} of {workers}", engine=engine)
    if engine == "local":
        yield load, threads
        return
    if threads == 0:
        raise DataError("replicas are asked by threads: leave --threads 0 out, or give 1 or more", threads=threads)
    from recprune.scale.serve import Replicas

    with Replicas(load, workers) as replicas:
        yield replicas.offer, threads or 2 * workers
