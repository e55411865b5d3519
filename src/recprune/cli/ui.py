"""recprune ui: a local page on which a budget is set, looked at, measured and applied."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recprune.cli._guard import Answer
from recprune.cli._options import Common, K, Own, Threads
from recprune.cli._progress import stage
from recprune.cli._serving import Caps, Host, TokenFile, log_to_stderr, needed

if TYPE_CHECKING:
    from recprune.studio.desk import Desk

__all__ = ["ui"]
PLACE = 13


def ui(
    data: Annotated[Path, typer.Argument(metavar="PREPARED", help="Folder that `prepare` made.")],
    model: Annotated[Path, typer.Option("--model", help="Folder of a model that was trained on it.")],
    common: Common,
    caps: Caps,
    own: Own = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder that smaller models go to. Default: the one that the model lies in."),
    ] = None,
    rule: Annotated[
        str | None,
        typer.Option(
            "--rule", help="The rule asked first: a name, or package.module:Name. Default: what suits the model."
        ),
    ] = None,
    k: K = 20,
    threads: Threads = None,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 8643,
    token_file: TokenFile = None,
) -> Answer:
    """Open a page in the browser to set a budget, see the plan, measure it and apply it, until SIGTERM or Ctrl-C.

    Only validation is looked at, and nothing that stands is replaced: what is applied goes into a new folder.
    """
    from recprune.serving.gate import read_token

    with needed():
        from recprune.studio.desk import desk_of
        from recprune.studio.server import serve

    log_to_stderr()

    def load() -> Desk:
        return desk_of(data, model, out=out, own=own, rule=rule, k=k, seed=common.seed, threads=threads, stage=stage)

    answered = serve(load, host=host, port=port, token=read_token(token_file), limits=caps.limits())
    return Answer({"seed": common.seed, "requests": answered}, (f"{answered:,} requests were answered",))
