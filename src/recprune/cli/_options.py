"""Options that several commands share, each said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["AsJson", "Data", "Factor", "K", "Kinds", "Out", "Rule", "Seed", "Sites", "Threads", "Trace"]

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON; progress goes to stderr.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of all that is drawn; same seed, same result.")]
Trace = Annotated[bool, typer.Option("--traceback", help="On an error, show where it came from.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Where the result goes.")]
Data = Annotated[Path, typer.Option("--data", help="Folder that `recprune prepare` made.")]
Factor = Annotated[float, typer.Option("--factor", help="Share of the parameters to remove, 0 (none) to 1.")]
Rule = Annotated[str, typer.Option("--rule", help="How units are rated: a rule's name, or package.module:Name.")]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--kind", help="Kind of unit that may leave; repeat for more. Default: what suits the model."),
]
Sites = Annotated[list[str] | None, typer.Option("--site", help="Only this site, by its name; repeat for more.")]
Threads = Annotated[int, typer.Option("--threads", min=1, help="CPU threads while milliseconds are measured.")]
K = Annotated[int, typer.Option("-k", min=1, help="Length of the recommended list.")]
