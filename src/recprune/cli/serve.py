"""recprune serve: a model behind HTTP, with its limits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recprune.cli._guard import Answer
from recprune.cli._options import Common, Data, Model, Own
from recprune.cli._serving import Caps, Host, TokenFile, log_to_stderr, needed

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
) -> Answer:
    """Serve lists (/recommend), or probabilities of a click model (/score), until SIGTERM; SIGHUP loads again."""
    from recprune.recipe.served import offer_of
    from recprune.serving.gate import read_token

    with needed():
        from recprune.serving.server import serve as run

    log_to_stderr()

    def load() -> Offer:
        return offer_of(model, data, against, known, own)

    answered = run(
        load,
        host=host,
        port=port,
        token=read_token(token_file),
        limits=caps.limits(),
        threads=threads,
    )
    return Answer({"seed": common.seed, "requests": answered}, (f"{answered:,} requests were answered",))
